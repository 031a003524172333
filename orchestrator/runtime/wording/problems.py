"""What failed, for the event log and for the facts of a plan."""

from __future__ import annotations

from pathlib import Path

from stacks.model import StackRef

NO_SOURCE = "this server has no source for them"
DEPLOY_EXPIRED = "it expired before it was built"
DEPLOY_REPLACED = "a newer deploy under the same label replaced it"


def _typed(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# --- Operations


def cycle_not_published(error: Exception) -> str:
    return f"the cycle couldn't be published: {_typed(error)}"


def not_started(action: str, error: Exception) -> str:
    return f"{action}: couldn't be started: {_typed(error)}"


def no_result(error: BaseException) -> str:
    return f"it exited without a result ({_typed(error)})"


def not_purged(target: str, name: str, error: Exception) -> str:
    return f"{target}:{name} couldn't be purged: {error}"


def target_not_started(target: str, error: Exception) -> str:
    return f"the target {target} couldn't be started: {error}"


# --- The server's pause

TIME_WITHOUT_ZONE = "the time has no time zone"


def pause_unreadable(path: Path, error: BaseException) -> str:
    return f"{path} can't be read: {_typed(error)}"


# --- The Git host


def repositories_not_listed(error: Exception) -> str:
    return f"the repositories couldn't be listed: {error}"


def commit_not_checked(error: Exception) -> str:
    return f"this commit couldn't be checked ({type(error).__name__}); see the log of ephd for details"


def not_read(reference: str, error: Exception) -> str:
    return f"{reference} couldn't be read: {error}"


def not_marked_expired(ref: StackRef, error: Exception) -> str:
    return f"{ref} couldn't be marked as expired: {error}"


def label_not_removed(ref: StackRef, label: str, error: Exception) -> str:
    return f"{ref}: the label {label} couldn't be removed: {error}"


# --- Targets and URLs


def target_not_read(target: str, error: Exception) -> str:
    return f"the target {target} couldn't be read: {_typed(error)}"


def resources_not_checked(target: str, error: BaseException) -> str:
    return f"the resources of the target {target} couldn't be checked: {error}"


def no_response(seconds: float) -> str:
    return f"it didn't respond within {seconds:.0f} s"


def not_requested(path: str, error: Exception) -> str:
    return f"{path} couldn't be requested ({type(error).__name__})"


def of_service(service: str, detail: str) -> str:
    """``service`` is empty if the environment has only one that is public."""
    return f"service {service}: {detail}" if service else detail


# --- Images


def images_not_supported(target: str) -> str:
    return f"the target {target} doesn't support images"


def note_unavailable(error: Exception) -> str:
    return f"unavailable: {error}"


def note_not_read(error: Exception) -> str:
    return f"can't be read: {error}"


# --- Label deploys


def no_room(stack: str, detail: str) -> str:
    return f"{stack} couldn't be destroyed to make room: {detail}"


def deploy_not_recorded(detail: str) -> str:
    return f"it couldn't be recorded: {detail}"

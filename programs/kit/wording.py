"""What people read from what targets share: names, settings of the machine, builds and files."""

from __future__ import annotations

from pathlib import Path

CANCELLED = "interrupted: the operation was cancelled"

# --- Names


def invalid_label(what: str, text: str) -> str:
    return f"{what} {text!r} must be 1 to 63 lowercase letters, digits and dashes, and can't start or end with a dash"


def invalid_variable(what: str, text: str) -> str:
    return f"{what} {text!r} must consist of letters, digits and underscores, and can't start with a digit"


def invalid_commit(text: str) -> str:
    return f"commit {text!r} must be a full hexadecimal ID of 40 or 64 digits"


def invalid_host(text: str) -> str:
    return f"host {text!r} must be a lowercase host name with labels of at most 63 characters"


# --- Settings


def invalid_choice(setting: str, value: str, choices: str) -> str:
    return f"setting {setting!r} is {value!r}; use one of: {choices}"


INVALID_PROXY = "setting 'egress_proxy' isn't the URL of an HTTP proxy; use a value such as http://proxy:3128"


def toolbox_exposes(private: Path, item: str) -> str:
    return f"Setting 'toolbox' would expose {private} to previews through {item}. Use a narrower folder."


# --- Builds and tests


def waiting_for_memory(expected: int, left: int) -> str:
    return (
        f"This build is expected to need {expected} MB of memory. The running builds leave {left} MB, "
        "so it waits for one of them to end."
    )


def no_checkout(commit: str) -> str:
    return f"no checkout of commit {commit[:7]} to run tests in"


NO_SUITE_SANDBOX = (
    "This server has no sandbox for tests: bubblewrap doesn't work here (in a pod it needs user namespaces). Run the "
    "tests in CI against the preview's URL."
)


# --- Files


def not_deleted(tree: Path, path: str, reason: str | None) -> str:
    return f"{tree}: {path} can't be deleted: {reason}."


def probably_immutable(failure: str, tree: Path) -> str:
    return f"{failure} It is probably immutable; to allow it: chattr -R -i -a {tree}"


def check_permissions(failure: str) -> str:
    return f"{failure} Check its permissions and mount points."


FOLDER_MOVED = "a folder was moved while its owner was changed"

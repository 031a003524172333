"""What people read while an operation runs, and why it failed."""

from __future__ import annotations

from datetime import datetime

# --- progress

LOOKING_FOR_UNRECORDED = "looking for what an interrupted operation left behind"
LOOKING_FOR_LEFTOVERS = "looking for leftovers by name"
WOKEN = "woke it up"
STATE_TRUNCATED = "its state was truncated during its first write; starting over"
ACTION_LABELS = {
    "create": "creating",
    "create-replacement": "creating the new",
    "update": "updating",
    "delete": "deleting",
    "delete-replaced": "deleting the old",
    "read": "reading",
    "refresh": "refreshing",
}
"""By the engine's name of the action. The resource follows."""


def building(commit: str) -> str:
    return f"building commit {commit[:7]}"


def dropping_database(name: str) -> str:
    return f"dropping the database {name}"


def lock_taken_over(pid: int, acquired: datetime) -> str:
    return f"took over a lock whose owner is dead (pid {pid}, taken {acquired:%H:%M:%S})"


# --- failures

NO_STACK_TO_TAG = "the stack no longer exists in the backend, so it can't be tagged"
NO_STACK = "the stack no longer exists in the backend"
LOCKED = "another operation holds this stack's lock"
PROGRAM_FAILED = "the program raised an error"
NO_ERROR_MESSAGE = "pulumi failed without an error message"
WRONG_PASSPHRASE = "the passphrase doesn't decrypt this stack's state; check that it is the server's key"
LEASE_EXPIRED = "the replica that started it is no longer the leader; the new leader restarts it"
STOPPING = "Stopping after the current step; don't press Ctrl-C again"
INTERRUPTED = "interrupted"
RECORD_RETAINED = "everything is deleted; the record stays until the destroy has been reported"


def deadline_exceeded(seconds: float) -> str:
    return f"it exceeded its deadline of {seconds:.0f} s"


def sleep_unsupported(target: str) -> str:
    return f"the target {target} doesn't support sleep"

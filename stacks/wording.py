"""Why a file next to the stacks may be an orphan. Each sentence follows the file's name."""

from __future__ import annotations

NO_STACK = "its stack doesn't exist"
RECORD_UNUSED = "no stack or pull request uses it"
OPERATION_DEAD = "its operation's process no longer exists"
WORK_UNUSED = "no operation uses it"


def may_be_locked(pid: int) -> str:
    return f"{NO_STACK}; process {pid} may hold it"

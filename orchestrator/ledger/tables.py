"""The ledger's tables, in SQL that SQLite and PostgreSQL share. ``migrations`` creates them; a test checks that they
agree.

Times are text in UTC in a fixed format, so they sort and compare the same in every database. Events are only added (the
database rejects changes); ``retention`` deletes old ones. Primary keys are never reused (``sqlite_autoincrement``),
which makes ``after`` reliable. ``mark`` is the writer's own ID of an event: writing it again, after a lost response,
adds nothing.

A row of ``leases`` names the leader: see ``lease``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import sqlalchemy as sa

from orchestrator.ledger.port import Event

METADATA = sa.MetaData()

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False, index=True),
    sa.Column("at", sa.String(32), nullable=False, index=True),
    sa.Column("subject", sa.String(256), nullable=False),
    sa.Column("message", sa.Text(), nullable=False),
    sa.Column("actor", sa.String(256), nullable=False),
    sa.Column("data", sa.Text(), nullable=False),
    sa.Column("mark", sa.String(64), nullable=True),
    sa.Index("events_by_subject", "subject", "id"),
    sa.Index("events_by_mark", "mark", unique=True),
    sqlite_autoincrement=True,
)

LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("epoch", sa.BigInteger(), nullable=False),
    sa.Column("beat", sa.BigInteger(), nullable=False),
    sa.Column("address", sa.String(256), nullable=False, server_default=""),
)

TOKENS = sa.Table(
    "tokens",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("owner", sa.String(256), nullable=False),
    sa.Column("label", sa.String(256), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("repositories", sa.Text(), nullable=False),
    sa.Column("created_at", sa.String(32), nullable=False),
    sa.Column("expires_at", sa.String(32), nullable=False),
    sa.Column("revoked_at", sa.String(32), nullable=False),
    sa.Column("revoked_by", sa.String(256), nullable=False),
    sa.Column("groups", sa.Text(), nullable=False),
    sa.Column("max_deploys", sa.Integer(), nullable=False, server_default="0"),
    sa.Index("tokens_by_sha256", "sha256", unique=True),
)
"""Who can call the API; ``orchestrator.auth`` reads and writes it. An empty time means never."""

SHARE_LINKS = sa.Table(
    "share_links",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("environment", sa.String(256), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("host", sa.String(256), nullable=False),
    sa.Column("repository", sa.String(256), nullable=False),
    sa.Column("created_by", sa.String(256), nullable=False),
    sa.Column("created_at", sa.String(32), nullable=False),
    sa.Column("expires_at", sa.String(32), nullable=False),
    sa.Column("password_hash", sa.String(256), nullable=False),
    sa.Column("revoked_at", sa.String(32), nullable=False),
    sa.Column("revoked_by", sa.String(256), nullable=False),
    sa.Index("share_links_by_sha256", "sha256", unique=True),
)
"""Which links open a preview without an account."""

COSTS = sa.Table(
    "costs",
    METADATA,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("stack", sa.String(256), primary_key=True),
    sa.Column("until", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("repository", sa.String(256), nullable=False),
    sa.Column("target", sa.String(64), nullable=False),
    sa.Column("owner", sa.String(256), nullable=False),
    sa.Column("spent", sa.String(64), nullable=False),
    sa.Column("saved", sa.Text(), nullable=False),
    sa.Column("total", sa.String(64), nullable=False),
    sa.Column("total_saved", sa.Text(), nullable=False),
    sa.Column("rate", sa.String(64), nullable=False),
)
"""What each stack cost on each day: see ``sql_costs``."""


def to_row(event: Event, idempotency_key: str) -> dict[str, str]:
    """Truncated to the columns' widths, and without NUL, which PostgreSQL rejects: a long name must not lose an
    event."""
    return {
        "kind": _text(event.kind)[:64],
        "at": format_time(event.at),
        "subject": _text(event.subject)[:256],
        "message": _text(event.message),
        "actor": _text(event.actor)[:256],
        "data": json.dumps({_text(key): _text(value) for key, value in event.data.items()}, sort_keys=True),
        "mark": idempotency_key,
    }


def from_row(row: sa.RowMapping) -> Event:
    return Event(
        kind=row["kind"],
        at=datetime.fromisoformat(row["at"]),
        subject=row["subject"],
        message=row["message"],
        actor=row["actor"],
        data=json.loads(row["data"]),
        id=row["id"],
    )


def format_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _text(value: object) -> str:
    return str(value).replace("\x00", "").encode("utf-8", "replace").decode()

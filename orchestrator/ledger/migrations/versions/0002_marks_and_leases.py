"""Adds the writer's mark to events, makes events immutable, and adds a table of leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SQLITE = (
    "CREATE TRIGGER events_are_only_added BEFORE UPDATE ON events "
    "BEGIN SELECT RAISE(ABORT, 'events are only added, never changed'); END",
)
_POSTGRES = (
    "CREATE FUNCTION events_are_only_added() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'events are only added, never changed'; END $$",
    "CREATE TRIGGER events_are_only_added BEFORE UPDATE ON events "
    "FOR EACH STATEMENT EXECUTE FUNCTION events_are_only_added()",
)


def upgrade() -> None:
    op.add_column("events", sa.Column("mark", sa.String(64), nullable=True))
    op.create_index("events_by_mark", "events", ["mark"], unique=True)
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRES:
        op.execute(statement)
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
    )

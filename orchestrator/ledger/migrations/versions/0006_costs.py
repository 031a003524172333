"""Adds a table of costs: what each stack cost on each day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "costs",
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

"""Adds the holder's address to a lease, so that other replicas can forward requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("leases", sa.Column("address", sa.String(256), nullable=False, server_default=""))

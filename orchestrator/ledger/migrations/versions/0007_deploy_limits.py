"""Adds the limit of label deploys to tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("tokens", sa.Column("max_deploys", sa.Integer(), nullable=False, server_default="0"))

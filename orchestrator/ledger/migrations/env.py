"""Alembic's environment. The caller provides the connection and its transaction, so a migration runs completely or not
at all."""

from __future__ import annotations

from alembic import context

from orchestrator.ledger.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()

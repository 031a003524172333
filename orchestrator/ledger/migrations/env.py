"""Alembic's environment: the connection and its transaction are the caller's, so a step happens whole or not at all."""

from __future__ import annotations

from alembic import context

from orchestrator.ledger.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()

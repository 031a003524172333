"""Migrations of the ledger's schema, run by ``orchestrator.ledger.schema_upgrade``. They only add."""

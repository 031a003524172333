"""The steps of the ledger's schema, run by ``orchestrator.ledger.schema_upgrade``. Steps only add."""

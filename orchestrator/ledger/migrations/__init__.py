"""The steps of the ledger's schema, run by ``orchestrator.ledger.schema``. Steps only add."""

"""What an operator says about the ledger (O1)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.ledger import database_engine, retention


def test_alone_on_sqlite_for_90_days_unless_told_otherwise(tmp_path: Path) -> None:
    found = ServerSettings(home=tmp_path)
    assert found.ledger.keep == timedelta(days=90)
    assert found.ledger.keep == retention.KEEP
    assert database_engine.parse(found.ledger_database_url).get_backend_name() == "sqlite"

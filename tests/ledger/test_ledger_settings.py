"""What an operator says about the ledger and its lease, and what a contradiction says back (O1, O2)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.config.settings import Settings
from orchestrator.ledger import databases, retention

SECRET = "hunter2-secret"


def test_alone_on_sqlite_for_90_days_unless_told_otherwise(tmp_path: Path) -> None:
    found = Settings(home=tmp_path)
    assert (found.ledger.lease, found.ledger.keep) == ("none", timedelta(days=90))
    assert found.ledger.keep == retention.KEEP
    assert not databases.is_postgres(found.events_url)


@pytest.mark.parametrize("kind", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_lease_needs_the_database_that_replicas_share(tmp_path: Path, kind: str) -> None:
    url = f"{kind}://eph:{SECRET}@db/eph"
    found = Settings.model_validate({"home": tmp_path, "ledger_url": url, "ledger": {"lease": "postgres"}})
    assert databases.is_postgres(found.events_url)
    with pytest.raises(ValidationError, match="set ledger_url to the PostgreSQL database"):
        Settings.model_validate({"home": tmp_path, "ledger": {"lease": "postgres"}})

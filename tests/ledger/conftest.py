"""One PostgreSQL for each module that needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger import postgres_server
from tests.ledger.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server.running_server() as made:
        yield made

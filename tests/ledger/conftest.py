"""One PostgreSQL for each module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger import servers
from tests.ledger.servers import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with servers.running_server() as made:
        yield made

"""The PostgreSQL of these tests. Whoever stops it starts it again."""

from __future__ import annotations

import pytest

from tests.ledger.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def server(shared_postgres: PostgresServer) -> PostgresServer:
    return shared_postgres

"""One PostgreSQL for each module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger import servers
from tests.ledger.servers import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with servers.server() as made:
        yield made

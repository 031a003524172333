from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.images.registry_server import OPEN_CONNECTIONS


@pytest.fixture(autouse=True)
def _close_connections() -> Iterator[None]:
    yield
    while OPEN_CONNECTIONS:
        OPEN_CONNECTIONS.pop().close()

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.images.registries import OPEN


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()

"""One whole Eph for the tests of a file: starting it costs seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import site as sites
from tests.e2e.site import Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.opened() as made:
        yield made

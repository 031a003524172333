"""The host that a contract test runs on, from ``forge_harnesses``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contracts.forge_harnesses import HARNESSES
from tests.contracts.forge_hosts import Host


class Servers:
    """Servers that harnesses run once for all tests of a process, started when the first test needs them."""

    def __init__(self, folders: pytest.TempPathFactory, ends: ExitStack) -> None:
        self._folders, self._ends = folders, ends
        self._urls: dict[str, str] = {}

    def url(self, harness: str) -> str:
        server = HARNESSES[harness].server
        if server is not None and harness not in self._urls:
            self._urls[harness] = self._ends.enter_context(server(self._folders.mktemp(harness)))
        return self._urls.get(harness, "")


@pytest.fixture(scope="session")
def forge_servers(shared_authorities: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as ends:
        yield Servers(tmp_path_factory, ends)


@pytest.fixture(params=[pytest.param(name, marks=harness.marks) for name, harness in HARNESSES.items()])
def host(request: pytest.FixtureRequest, tmp_path: Path, forge_servers: Servers) -> Iterator[Host]:
    with HARNESSES[request.param].open(tmp_path, forge_servers.url(request.param)) as opened:
        yield opened

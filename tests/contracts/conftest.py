"""The hosts that every contract is tried on: our fake, our sandbox, and a GitHub that we did not write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo.github.demo_github import DemoGitHub
from tests.contracts.emulate_host import EmulateHost, emulate
from tests.contracts.forge_hosts import FakeHost, Host, SandboxHost


@pytest.fixture(scope="module")
def emulate_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One for all tests; each has a repository of its own."""
    with emulate(tmp_path_factory.mktemp("emulate")) as url:
        yield url


@pytest.fixture(params=["fake", "sandbox", pytest.param("emulate", marks=pytest.mark.real)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if request.param == "fake":
        yield FakeHost()
    elif request.param == "sandbox":
        world = DemoGitHub(tmp_path / "sandbox")
        world.start()
        sandbox = SandboxHost(world)
        yield sandbox
        sandbox.done()
    else:
        stranger = EmulateHost(request.getfixturevalue("emulate_url"), f"ada/{tmp_path.name[:40]}")
        yield stranger
        stranger.done()

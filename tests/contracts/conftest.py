"""The hosts that every contract is tried on: our fake, our sandbox, and a GitHub that we did not write."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.forge.sandbox.world import SandboxForge
from tests.contracts.emulate_host import EmulateHost, emulate
from tests.contracts.forge_hosts import ROOT, FakeHost, Host, SandboxHost


@pytest.fixture(scope="module")
def emulate_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Comes from npm the first time, from the cache later. One for all tests; each has a repository of its own."""
    if shutil.which("npm") is None:
        pytest.skip("emulate needs Node 20 and npm, which are not on this machine")
    done = subprocess.run([ROOT / "infra/toolchain/emulate.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with emulate(Path(done.stdout.strip()), tmp_path_factory.mktemp("emulate")) as url:
        yield url


@pytest.fixture(params=["fake", "sandbox", pytest.param("emulate", marks=pytest.mark.real)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    if request.param == "fake":
        yield FakeHost()
    elif request.param == "sandbox":
        world = SandboxForge(tmp_path / "sandbox")
        world.start()
        sandbox = SandboxHost(world)
        yield sandbox
        sandbox.done()
    else:
        stranger = EmulateHost(request.getfixturevalue("emulate_url"), f"ada/{tmp_path.name[:40]}")
        yield stranger
        stranger.done()

"""``ephd stop`` finds the process that uses the home, ends it, and can be repeated. O4."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime.server import home_lock
from orchestrator.runtime.server.stopping import stop

HOLDER = """
import pathlib, signal, sys
from orchestrator.runtime.server.home_lock import lock_home
with lock_home(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("everything", [False, True])
def test_the_process_that_uses_the_home_ends(tmp_path: Path, everything: bool) -> None:
    settings, lines = ServerSettings(home=tmp_path / "eph"), list[str]()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(settings.home)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        found = home_lock.holder(settings.home)
        assert found is not None
        assert found.pid == process.pid
        stop(settings, everything, lines.append)
        assert process.wait(10) != 0
    assert home_lock.holder(settings.home) is None
    assert str(process.pid) in lines[0]
    stop(settings, everything, lines.append)
    assert len(lines) == 2


def test_a_home_without_a_server_stays_empty(tmp_path: Path) -> None:
    stop(ServerSettings(home=tmp_path / "eph"), True, lambda _: None)
    assert not (tmp_path / "eph").exists()

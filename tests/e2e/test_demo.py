"""``eph demo`` as a newcomer starts it: plays its story, and leaves nothing however it ends (issue 3)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.app.demo import leftovers
from orchestrator.forge.sandbox.world import free_port
from stacks import toolchain
from tests.e2e.site import ROOT, until

pytestmark = pytest.mark.real

SWEEP = "from orchestrator.app.demo import dead; print(*dead.sweep())"
LINE = r"demo: 2 environments, label to URL \d+\.\d s, update \d+\.\d s, leftovers 0\n"


class Ground:
    """A temporary folder that everything of a demo lies in and names, so that what it leaves is told from others'."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("EPH_", "PULUMI_", "XDG_"))}
        path = os.pathsep.join([toolchain.find().path, os.environ["PATH"]])
        self.env = {**kept, "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "PATH": path}

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "orchestrator.cli.main", "demo", *words]
        out = (self.folder / "said").open("w")
        with out:
            return subprocess.Popen(
                command, cwd=ROOT, env=self.env, text=True, stdout=out, stderr=out, start_new_session=True
            )

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def home(self) -> Path | None:
        return next(self.folder.glob("eph-demo-*"), None)

    def creating(self) -> str:
        """Empty once Pulumi is at work for a pull request."""
        home = self.home()
        locks = list(home.rglob("locks/organization/*/*/*.json")) if home else []
        return "" if locks else f"no operation yet: {self.said()}"

    def ports(self) -> set[int]:
        """Whatever the demo said and wrote that it listens on."""
        said = {int(port) for port in re.findall(r"(?:127\.0\.0\.1|localhost):(\d+)", self.said())}
        url = json.loads((self.folder / "config/eph/current.json").read_text())["url"]
        return said | {int(url.rpartition(":")[2])}

    def left(self, ports: set[int]) -> str:
        found = [f"process {pid}" for pid in leftovers.processes(str(self.folder))]
        found += [f"port {port}" for port in ports if not _is_free(port)]
        found += [str(path) for path in self.folder.iterdir() if path.name not in ("said", "config")]
        found += [str(path) for path in (self.folder / "config").rglob("*.json")]
        return ", ".join(found)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def ground() -> Iterator[Ground]:
    folder = Path(tempfile.mkdtemp(prefix="eph-e2e-"))
    folder.chmod(0o755)
    try:
        yield Ground(folder)
    finally:
        for pid in leftovers.processes(str(folder)):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(300)
def test_once_plays_the_whole_story_and_leaves_nothing(ground: Ground) -> None:
    """L1, L5, T1, P1, P3, P9: two made, a push seen, a build broken and mended, one unlabelled, one closed."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--once"]
    done = subprocess.run(command, cwd=ROOT, env=ground.env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LINE, done.stdout), done.stdout
    for step in ("answers at its URL", "pulumi stack ls", "same URL", "broken build", "mends it", "closed", "label"):
        assert step in done.stderr
    (ground.folder / "config").mkdir(exist_ok=True)
    assert ground.left(set()) == ""


def test_ctrl_c_in_the_middle_of_making_leaves_nothing(ground: Ground) -> None:
    port = free_port()
    demo = ground.start("--no-open", "--port", str(port))
    until("the demo makes environments", ground.creating, 90)
    ports = ground.ports()
    assert port in ports
    assert len(ports) == 3
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 130, ground.said()
    assert ground.left(ports) == ""
    assert "Traceback" not in ground.said()


def test_the_next_demo_takes_away_what_a_killed_one_left(ground: Ground) -> None:
    """Issue 3: not even ``kill -9`` leaves anything for ever."""
    demo = ground.start("--no-open", "--port", str(free_port()))
    until("the demo makes environments", ground.creating, 90)
    ports, home = ground.ports(), ground.home()
    demo.kill()
    demo.wait(10)
    assert leftovers.processes(str(home)), "nothing outlived the kill, so this proves nothing"
    swept = subprocess.run(
        [sys.executable, "-c", SWEEP], cwd=ROOT, env=ground.env, capture_output=True, text=True, timeout=60
    )
    assert swept.stdout.strip() == str(home), swept.stderr
    (ground.folder / "config/eph/current.json").unlink()  # it names the process, and counts no more
    assert ground.left(ports) == ""


def test_a_taken_port_is_one_clear_message(ground: Ground) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = ground.start("--once", "--port", str(port))
        assert demo.wait(60) == 1
    assert ground.said() == f"demo: port {port} is taken; give another with --port, or none for a free one\n"
    assert ground.home() is None


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_is_none_is_one_clear_message(ground: Ground, port: str) -> None:
    demo = ground.start("--once", "--port", port)
    assert demo.wait(60) == 1
    assert ground.said() == f"demo: {port} is no port; give one up to 65535 with --port, or none for a free one\n"

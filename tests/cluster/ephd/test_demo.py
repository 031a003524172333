"""``eph demo --target kubernetes`` as a newcomer starts it: its story on a real cluster (issue 6).

Rows: T2, I1, L5, P1, P3, P9; nothing is left, however it ends.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo import leak_check
from stacks import process_identity
from tests.cluster.cluster_access import Cluster
from tests.e2e.demo_sandbox import STORY_STEPS, SWEEP, DemoSandbox
from tests.e2e.site import ROOT, wait_until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(900)]

LINE = r"demo: 2 environments, label to URL \d+\.\d s, update \d+\.\d s, leftovers 0$"
STEPS = ("Kubernetes v", *STORY_STEPS)


class ClusterDemo(DemoSandbox):
    """``server`` is the label of the demo's namespaces."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        super().__init__(folder)
        self.cluster, self.server = cluster, ""

    def start_on_cluster(self, *words: str, out: int | None = None) -> subprocess.Popen[str]:
        auth = self.folder / "said.auth"
        auth.write_text(self.cluster.auth)
        said = {
            "target": "kubernetes",
            "kubeconfig": self.cluster.kubeconfig,
            "registry": self.cluster.registry,
            "registry-auth": str(auth),
            "ingress": self.cluster.ingress,
            "ingress-class": self.cluster.ingress_class,
            "ingress-namespace": self.cluster.ingress_namespace,
        }
        listed = [word for name, value in said.items() for word in (f"--{name}", value)]
        demo = self.start(*words, *listed, out=out)
        wait_until("the demo has looked at the cluster", lambda: self._read_server(demo), 120)
        return demo

    def _read_server(self, demo: subprocess.Popen[str]) -> str:
        assert demo.poll() is None, self.output()
        home = self.home()
        if home is None or not (home / "cluster.json").is_file():
            return self.output() or "nothing yet"
        self.server = json.loads((home / "cluster.json").read_text() or "{}").get("server", "")
        return "" if self.server else "half-written"

    def namespaces(self) -> list[str]:
        found = self.cluster.get("namespaces", "-l", f"eph.dev/server={self.server}")["items"]
        return [item["metadata"]["name"] for item in found]

    def remaining(self, ports: set[int]) -> str:
        (self.folder / "said.auth").unlink(missing_ok=True)
        (self.folder / "config").mkdir(exist_ok=True)
        return ", ".join(filter(None, [super().remaining(ports), *self.namespaces()]))


@pytest.fixture
def demo(site: Cluster) -> Iterator[ClusterDemo]:
    folder = Path(tempfile.mkdtemp(prefix="eph-cluster-"))
    folder.chmod(0o755)
    made = ClusterDemo(folder, site)
    try:
        yield made
    finally:
        for pid in leak_check.processes(str(folder)):
            process_identity.send_signal(pid, signal.SIGKILL)
        if made.server and made.namespaces():
            site.kubectl("delete", "namespace", *made.namespaces(), "--wait=false")
        shutil.rmtree(folder, ignore_errors=True)


def test_once_plays_the_whole_story_and_leaves_nothing(demo: ClusterDemo) -> None:
    process = demo.start_on_cluster("--once")
    assert process.wait(800) == 0, demo.output()
    said = demo.output()
    assert re.search(LINE, said), said
    assert [step for step in STEPS if step not in said] == [], said
    assert demo.remaining(set()) == ""


def test_next_demo_removes_what_a_killed_one_left_on_the_cluster(demo: ClusterDemo) -> None:
    """Not even ``kill -9`` leaves a namespace forever."""
    process = demo.start_on_cluster("--no-open")
    wait_until("a namespace is there", lambda: "" if demo.namespaces() else demo.output(), 120)
    home = demo.home()
    process.kill()
    process.wait(10)
    command = [sys.executable, "-c", SWEEP]
    swept = subprocess.run(command, cwd=ROOT, env=demo.env, capture_output=True, text=True, timeout=240)
    assert swept.stdout.strip() == str(home), swept.stderr
    (demo.folder / "config/eph/demo.json").unlink()  # it contains the process, and no longer counts
    assert demo.remaining(set()) == ""


def test_closed_terminal_removes_the_environments(demo: ClusterDemo) -> None:
    """It ends as by Ctrl-C, and everything that it still has to print fails."""
    ours, theirs = os.pipe()
    process = demo.start_on_cluster("--no-open", out=theirs)
    os.close(theirs)
    wait_until("a namespace is there", lambda: "" if demo.namespaces() else "none", 120)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    process.wait(240)
    assert demo.remaining(set()) == ""

"""A place in which to start a demo like a newcomer does, and to see everything that it leaves behind."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from orchestrator.demo import leak_check
from orchestrator.demo.story import wording
from stacks.toolchain import pulumi_cli
from tests.e2e.site import ROOT
from tests.file_trees import all_files

SWEEP = "from orchestrator.demo import crash_cleanup; print(*crash_cleanup.clean_up())"
STORY_STEPS = (
    "#1: live",
    "#2: live",
    "pulumi stack ls",
    "#1: the push is live",
    wording.broken_build("#1"),
    wording.fixed("#1"),
    wording.destroyed("#1", wording.LABEL_REMOVED),
    wording.destroyed("#2", wording.CLOSED),
)
"""What every story on the sandbox prints, on each target."""


class DemoSandbox:
    """A temporary folder that contains and names everything of a demo, so that its leftovers can be identified."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("EPH_", "PULUMI_", "XDG_"))}
        path = os.pathsep.join([pulumi_cli.find().path, os.environ["PATH"]])
        self.env = {**kept, "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "PATH": path}

    def start(self, *words: str, out: int | None = None) -> subprocess.Popen[str]:
        """``out``: where its output goes, if not where ``output`` reads it."""
        command = [sys.executable, "-m", "orchestrator.cli.main", "demo", *words]
        with (self.folder / "said").open("w") as file:
            to = file if out is None else out
            return subprocess.Popen(
                command, cwd=ROOT, env=self.env, text=True, stdout=to, stderr=to, start_new_session=True
            )

    def output(self) -> str:
        return (self.folder / "said").read_text()

    def home(self) -> Path | None:
        return next(self.folder.glob("eph-demo-*"), None)

    def creation_status(self) -> str:
        """Empty once Pulumi is working on a pull request."""
        home = self.home()
        locks = [path for path in all_files(home) if "locks" in path.parts and path.suffix == ".json"] if home else []
        return "" if locks else f"no operation yet: {self.output()}"

    def ports(self) -> set[int]:
        """All ports that the demo printed or recorded."""
        said = {int(port) for port in re.findall(r"(?:127\.0\.0\.1|localhost):(\d+)", self.output())}
        url = json.loads((self.folder / "config/eph/demo.json").read_text())["url"]
        return said | {int(url.rpartition(":")[2])}

    def remaining(self, ports: set[int]) -> str:
        found = [f"process {pid}" for pid in leak_check.processes(str(self.folder))]
        found += [f"port {port}" for port in ports if not _is_free(port)]
        found += [str(path) for path in self.folder.iterdir() if path.name not in ("said", "config")]
        found += [str(path) for path in (self.folder / "config").rglob("*.json")]
        return ", ".join(found)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0

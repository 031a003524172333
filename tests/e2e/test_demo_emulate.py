"""The demo's story on npm's emulate, a GitHub written by others, where Eph is a GitHub App (issue 5).

Rows: L1, L5, O5, P1, P2, S1. The demo reports what emulate lacks: a pull request there keeps its files, so a branch
gets the push, the broken push and the fix.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from orchestrator.demo import wording
from orchestrator.demo.emulate import wording as emulate_wording
from orchestrator.demo.story import wording as story_wording
from tests.contracts.emulate_host import require_npm
from tests.e2e.demo_sandbox import DemoSandbox
from tests.e2e.site import ROOT

pytestmark = [pytest.mark.real, pytest.mark.long]

LINE = r"demo: 3 environments, label to URL \d+\.\d s, update \d+\.\d s, leftovers 0\n"
STEPS = (
    "#1: live",
    "#2: live",
    "pulumi stack ls",
    story_wording.app_identity("eph-previews[bot]"),
    "#1: the updated branch is live",
    story_wording.webhooks_checked("#4"),
    story_wording.broken_from_start("#4"),
    "live/colour: live",
    "live/colour: the push is live",
    story_wording.broken_build("live/colour"),
    story_wording.fixed("live/colour"),
    story_wording.destroyed("live/colour", story_wording.BRANCH_DELETED),
    story_wording.destroyed("#1", story_wording.LABEL_REMOVED),
    story_wording.destroyed("#2", story_wording.CLOSED),
)


@pytest.mark.timeout(360)
@pytest.mark.exhaustive
def test_story_runs_on_emulate(demo: DemoSandbox) -> None:
    require_npm()
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--once", "--forge", "emulate"]
    done = subprocess.run(command, cwd=ROOT, env=demo.env, capture_output=True, text=True, timeout=340)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LINE, done.stdout), done.stdout
    assert [step for step in STEPS if step not in done.stderr] == []
    assert emulate_wording.NO_PUSHES_TO_PULLS in done.stderr
    (demo.folder / "config").mkdir(exist_ok=True)
    assert demo.remaining(set()) == ""


def test_without_once_it_says_what_to_add(demo: DemoSandbox) -> None:
    process = demo.start("--forge", "emulate")
    assert process.wait(60) == 1
    assert demo.output() == f"{wording.STARTING}\n{wording.error(wording.needs_once('emulate'))}\n"

"""The demo's story on npm's emulate, a GitHub that we did not write, where Eph is a GitHub App (issue 5).

Rows: L1, L5, O5, P1, P2, S1. What emulate lacks is named by the demo itself: a pull request there keeps its files, so
the push, the broken push and the mend are played on a branch with an environment of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from orchestrator.demo.emulate import emulate_host
from tests.contracts.emulate_host import require_npm
from tests.e2e.demo_sandbox import DemoSandbox
from tests.e2e.site import ROOT

pytestmark = [pytest.mark.real, pytest.mark.long]

LINE = r"demo: 3 environments, label to URL \d+\.\d s, update \d+\.\d s, leftovers 0\n"
STEPS = (
    "#1 answers at its URL",
    "#2 answers at its URL",
    "pulumi stack ls",
    "Eph speaks there as the App eph-previews[bot]",
    "the updated branch of #1 is seen at the same URL",
    "the signed webhook of #4 is heard, and a forged one is refused",
    "a build that is broken from the start is told on #4",
    "live/colour answers at its URL",
    "a push to live/colour is seen at the same URL",
    "a broken build is told on live/colour, and the page from before still answers",
    "the next push to live/colour mends it",
    "everything of live/colour is gone, because the branch was deleted",
    "everything of #1 is gone, because its label was taken away",
    "everything of #2 is gone, because it was closed",
)


@pytest.mark.timeout(360)
def test_the_story_is_played_on_a_github_that_we_did_not_write(demo: DemoSandbox) -> None:
    require_npm()
    command = [sys.executable, "-m", "orchestrator.cli.main", "demo", "--once", "--forge", "emulate"]
    done = subprocess.run(command, cwd=ROOT, env=demo.env, capture_output=True, text=True, timeout=340)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LINE, done.stdout), done.stdout
    assert [step for step in STEPS if step not in done.stderr] == []
    assert emulate_host.NO_PUSHES_TO_PULLS in done.stderr
    (demo.folder / "config").mkdir(exist_ok=True)
    assert demo.remaining(set()) == ""


def test_without_once_it_says_what_to_add(demo: DemoSandbox) -> None:
    process = demo.start("--forge", "emulate")
    assert process.wait(60) == 1
    assert demo.output() == "demo: emulate has no pages to click on; add --once, which plays the story\n"

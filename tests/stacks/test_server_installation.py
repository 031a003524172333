"""The stack of ``eph self-install`` with the real Pulumi: plan, apply, an update, delete. Row: O4."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "passphrase_file").write_text("a passphrase")
    (tmp_path / "cloud").mkdir()
    return tmp_path


def run(folder: Path, step: str, *parts: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.stacks.installation_driver", str(folder), step, *parts],
        cwd=ROOT,
        env={**os.environ, "PULUMI_PYTHON_CMD": sys.executable, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def changes(folder: Path, step: str, *parts: str) -> list[tuple[str, str]]:
    return [(item["action"], item["name"]) for item in run(folder, step, *parts)["changes"]]


def test_plan_is_what_is_applied_and_deleted(folder: Path) -> None:
    assert changes(folder, "preview", "network") == [("create", "network")]
    assert list((folder / "cloud").iterdir()) == [], "a preview changes nothing"
    assert run(folder, "apply", "network")["outputs"]["settings"] == "[cloud]"
    assert (folder / "cloud" / "made" / "server" / "network").exists()
    assert changes(folder, "preview", "network", "cluster") == [("create", "cluster")]
    assert changes(folder, "preview destroy") == [("delete", "network")]
    assert run(folder, "destroy") == {"exists": False}
    assert not (folder / "cloud" / "made" / "server" / "network").exists()
    assert list((folder / "work").iterdir()) == []


def test_failure_is_reported_in_one_sentence(folder: Path) -> None:
    (folder / "cloud" / "control").mkdir()
    (folder / "cloud" / "control" / "fail-server").write_text("the quota is used up")
    error = run(folder, "apply", "network")["error"]
    assert "the quota is used up" in error
    assert "Traceback" not in error
    assert list((folder / "work").iterdir()) == []

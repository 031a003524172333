"""The conformance suite fails for a target with a fault. Row: T6.

Each fault is one edit of what ``eph target new`` writes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli import target_scaffold
from tests import how_to_pages
from tests.contracts import scratch_environment
from tests.contracts.scratch_environment import ScratchEnvironment

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(600)]

FAULTS = {
    "an update that changes nothing runs again": (
        "eph_pages/v1.py",
        'changes=olds["generation"] != news["generation"]',
        "changes=True",
        "test_unchanged_spec_changes_nothing",
    ),
    "a secret is stored": (
        "eph_pages/v1.py",
        '"text": spec.options["page"]',
        '"text": spec.options["page"] + str(spec.secret_values)',
        "test_secrets_are_in_no_state_log_or_command_line",
    ),
    "a broken commit is live before it fails": (
        "eph_pages/pages.py",
        '    files.write(path / "index.html", text)\n',
        '    files.write(path / "index.html", text)\n    if "broken" in text:\n        raise ValueError("broken")\n',
        "test_failed_update_leaves_the_previous_commit_answering",
    ),
    "a purge needs the state": (
        "eph_pages/target.py",
        "        pages.remove(settings, name)\n",
        "        return None\n",
        "test_environment_without_state_is_purged_by_name",
    ),
    "drift is never reported": (
        "eph_pages/target.py",
        '{"Page": self.list_environments(settings)}',
        '{"Other": self.list_environments(settings)}',
        "test_lost_environment_is_drift_and_is_repaired",
    ),
    "what exists is not listed": (
        "eph_pages/target.py",
        'return [f"page {name}" for name in sorted(self.list_environments(settings))]',
        "return []",
        "test_environment_answers_and_is_listed",
    ),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> ScratchEnvironment:
    return scratch_environment.create(tmp_path_factory.mktemp("environment") / "venv")


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(fault: str, environment: ScratchEnvironment, tmp_path: Path) -> None:
    place, sound, faulty, check = FAULTS[fault]
    files = target_scaffold.render("pages")
    assert sound in files[place]
    files[place] = files[place].replace(sound, faulty)
    if "broken" in faulty:  # the sound target refuses it before it creates anything
        suite = files["tests/test_conformance.py"]
        files["tests/test_conformance.py"] = suite.replace('"a page that is too long " * 5', '"a broken page"')
    how_to_pages.write_files(tmp_path, files)
    installed = environment.run("pip", "install", "--editable", ".", cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    done = environment.run("pytest", "-k", check, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout, done.stdout
    assert f"::{check}" in done.stdout

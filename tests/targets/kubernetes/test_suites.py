"""A repository's tests against an environment on a cluster: sandboxed next to ephd, in that commit's checkout (P4,
S3)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from programs.kit.errors import TargetError
from programs.kit.processes import sandbox
from programs.spec import CommandSpec, EnvironmentSpec, GitSource, ServiceSpec, SuiteSpec
from programs.targets.kubernetes import settings, suite_sandbox
from tests.targets.local_machine import Repository


def spec(raw_settings: dict[str, str], repository: Repository, commit: str) -> EnvironmentSpec:
    source = GitSource(str(repository.bare), commit, "feature")
    services = (ServiceSpec("web", "", image="shop"),)
    return EnvironmentSpec(
        "shop-a-1", "shop-a-1.localhost", "kubernetes", "shop", source, services, settings=raw_settings
    )


@pytest.fixture
def raw_settings(tmp_path: Path) -> dict[str, str]:
    key = tmp_path / "kubeconfig"
    key.write_text("the key of the cluster")
    return {"root": str(tmp_path / "root"), "server": "eph-1", "kubeconfig": str(key)}


def run(environment_spec: EnvironmentSpec, suite: SuiteSpec) -> str:
    argv = suite_sandbox.command_line(
        settings.from_mapping(environment_spec.settings), environment_spec, suite, {"PREVIEW_URL": "http://x"}
    )
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout


def test_suite_runs_in_its_commit_sees_no_credentials_and_reports(
    raw_settings: dict[str, str], repository: Repository
) -> None:
    if not sandbox.works():
        pytest.skip("needs bubblewrap")
    first = repository.push({"a.txt": "one"})
    made = spec(raw_settings, repository, repository.push({"a.txt": "two"}))
    command = (
        f'cat a.txt; echo " $PREVIEW_URL"; cat {raw_settings["kubeconfig"]} || echo none; echo "<testsuite/>" > r.xml'
    )
    suite = SuiteSpec("unit", CommandSpec(command), junit="r.xml")
    assert run(spec(raw_settings, repository, first), suite).startswith("one")
    assert run(made, suite) == "two http://x\nnone\n"
    on = settings.from_mapping(raw_settings)
    assert suite_sandbox.read_report(on, made, suite, 100) == b"<testsuite/>\n"
    [folder] = suite_sandbox.list_folders(on)
    assert [path.name for path in (folder / "src").iterdir()] == [f"{made.source.commit[:12]}-tests"]
    suite_sandbox.delete(on, "shop-a-1")
    assert list(suite_sandbox.list_folders(on)) == []


def test_nothing_runs_without_a_sandbox(
    raw_settings: dict[str, str], repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "works", lambda: False)
    made = spec(raw_settings, repository, repository.push({"a.txt": "one"}))
    with pytest.raises(TargetError, match="no sandbox for tests"):
        run(made, SuiteSpec("unit", CommandSpec("true")))

"""A repository's tests against an environment on AWS: sandboxed next to ephd, in that commit's checkout, without the
machine's network (P4, S3)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.kit.errors import TargetError
from programs.kit.processes import sandbox
from programs.spec import CommandSpec, EnvironmentSpec, GitSource, SuiteSpec
from programs.targets.aws import settings, suite_sandbox
from programs.targets.aws.target import TARGET
from tests.images.registry_server import serve
from tests.targets.aws.recorded_program import NAME, aws_spec
from tests.targets.local_machine import Repository
from tests.targets.suite_probe import FETCH, METADATA, Answer


@pytest.fixture
def raw_settings(tmp_path: Path) -> Iterator[dict[str, str]]:
    found = {"root": str(tmp_path / "root"), "egress_allow": "127.0.0.0/8"}
    found |= {"region": "eu-central-1", "server": "eph-1", "zone": "Z1", "url": "http://{host}:8080"}
    yield found
    TARGET.stop(found)


def spec(raw_settings: dict[str, str], repository: Repository, commit: str) -> EnvironmentSpec:
    return aws_spec(source=GitSource(str(repository.bare), commit, "feature"), settings=raw_settings)


def run(environment_spec: EnvironmentSpec, suite: SuiteSpec) -> str:
    argv = TARGET.suite_command(environment_spec, suite, {"PREVIEW_URL": "http://x"})
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.real
@pytest.mark.timeout(120)
@pytest.mark.skipif(not sandbox.works(), reason="needs bubblewrap")
def test_suite_runs_in_its_commit_reaches_previews_but_no_metadata(
    raw_settings: dict[str, str], repository: Repository
) -> None:
    first = repository.push({"a.txt": "one"})
    made = spec(raw_settings, repository, repository.push({"a.txt": "two", "fetch.py": FETCH}))
    assert run(spec(raw_settings, repository, first), SuiteSpec("unit", CommandSpec("cat a.txt"))) == "one"

    junit = SuiteSpec(
        "unit", CommandSpec('cat a.txt; echo " $PREVIEW_URL"; echo "<testsuite/>" > r.xml'), junit="r.xml"
    )
    assert run(made, junit) == "two http://x\n"
    assert TARGET.suite_report(made, junit, 100) == b"<testsuite/>\n"

    with serve(Answer) as host:
        fetch = f"python3 fetch.py proxied http://{host}/ {METADATA}; python3 fetch.py directly {METADATA}"
        assert run(made, SuiteSpec("fetch", CommandSpec(fetch))).split() == ["127.0.0.1", "403", "URLError"]

    own = settings.from_mapping(raw_settings)
    [folder] = suite_sandbox.list_folders(own)
    assert [path.name for path in (folder / "src").iterdir()] == [f"{made.source.commit[:12]}-tests"]
    suite_sandbox.remove(own, NAME)
    assert suite_sandbox.list_folders(own) == []


def test_no_suite_runs_without_a_sandbox(
    raw_settings: dict[str, str], repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "works", lambda: False)
    made = spec(raw_settings, repository, repository.push({"a.txt": "one"}))
    with pytest.raises(TargetError, match="no sandbox for tests"):
        TARGET.suite_command(made, SuiteSpec("unit", CommandSpec("true")), {})

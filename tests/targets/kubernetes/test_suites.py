"""A repository's tests against an environment on a cluster: sandboxed next to ephd, in that commit's checkout, without
the machine's network (P4, S3)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.kit.errors import TargetError
from programs.kit.processes import sandbox
from programs.spec import CommandSpec, EnvironmentSpec, GitSource, ServiceSpec, SuiteSpec
from programs.targets.kubernetes import settings, suite_sandbox
from programs.targets.kubernetes.target import TARGET
from tests.images.registry_server import serve
from tests.targets.local_machine import Repository
from tests.targets.suite_probe import FETCH, METADATA, Answer

NAME = "shop-a-1"


@pytest.fixture
def raw_settings(tmp_path: Path) -> Iterator[dict[str, str]]:
    key = tmp_path / "kubeconfig"
    key.write_text("the key of the cluster")
    found = {"root": str(tmp_path / "root"), "server": "eph-1", "kubeconfig": str(key)}
    yield found
    TARGET.stop(found)


def spec(raw_settings: dict[str, str], repository: Repository, commit: str) -> EnvironmentSpec:
    source = GitSource(str(repository.bare), commit, "feature")
    services = (ServiceSpec("web", "", image="shop"),)
    return EnvironmentSpec(NAME, f"{NAME}.localhost", "kubernetes", "shop", source, services, settings=raw_settings)


def run(environment_spec: EnvironmentSpec, command: str, url: str = "http://x", junit: str = "") -> str:
    suite = SuiteSpec("unit", CommandSpec(command), junit=junit)
    argv = TARGET.suite_command(environment_spec, suite, {"PREVIEW_URL": url})
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.real
@pytest.mark.timeout(120)
@pytest.mark.skipif(not sandbox.works(), reason="needs bubblewrap")
def test_suite_runs_in_its_commit_sees_no_credentials_and_reports(
    raw_settings: dict[str, str], repository: Repository
) -> None:
    first = repository.push({"a.txt": "one"})
    made = spec(raw_settings, repository, repository.push({"a.txt": "two"}))
    command = (
        f'cat a.txt; echo " $PREVIEW_URL"; cat {raw_settings["kubeconfig"]} 2>/dev/null || echo none; '
        'echo "<testsuite/>" > r.xml'
    )
    assert run(spec(raw_settings, repository, first), "cat a.txt") == "one"
    assert run(made, command, junit="r.xml") == "two http://x\nnone\n"
    on = settings.from_mapping(raw_settings)
    assert TARGET.suite_report(made, SuiteSpec("unit", CommandSpec("true"), junit="r.xml"), 100) == b"<testsuite/>\n"
    [folder] = suite_sandbox.list_folders(on)
    assert [path.name for path in (folder / "src").iterdir()] == [f"{made.source.commit[:12]}-tests"]
    suite_sandbox.remove(on, NAME)
    assert list(suite_sandbox.list_folders(on)) == []


@pytest.mark.real
@pytest.mark.timeout(120)
@pytest.mark.skipif(not sandbox.works(), reason="needs bubblewrap")
@pytest.mark.parametrize("egress", ["internet", "none"])
def test_suite_reaches_its_own_url_and_nothing_of_the_machine(
    raw_settings: dict[str, str], repository: Repository, egress: str
) -> None:
    commit = repository.push({"fetch.py": FETCH})
    with serve(Answer) as front:
        port = front.rpartition(":")[2]
        raw = {**raw_settings, "url": f"http://{{host}}:{port}", "egress": egress}
        made, own = spec(raw, repository, commit), f"http://{NAME}.localhost:{port}"
        others = f"http://127.0.0.1:{port}/ http://other-2.localhost:{port}/ {METADATA}"
        assert run(made, f"python3 fetch.py directly {own}/ {others}", own).split() == [
            f"{NAME}.localhost",
            "404",
            "404" if _resolves_localhost() else "URLError",
            "URLError",
        ]
        others = f"http://127.0.0.1:{port}/ http://localhost:{port}/ {METADATA}"
        through = f"http_proxy=${{http_proxy-http://127.0.0.1:3128}} python3 fetch.py proxied {others}"
        assert run(made, through, own).split() == ["403" if egress == "internet" else "URLError"] * 3
        suite_sandbox.remove(settings.from_mapping(raw), NAME)


def _resolves_localhost() -> bool:
    """Whether this machine resolves names under .localhost."""
    found = subprocess.run(["getent", "hosts", "other-2.localhost"], capture_output=True, check=False)
    return found.returncode == 0


def test_nothing_runs_without_a_sandbox(
    raw_settings: dict[str, str], repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "works", lambda: False)
    made = spec(raw_settings, repository, repository.push({"a.txt": "one"}))
    with pytest.raises(TargetError, match="no sandbox for tests"):
        TARGET.suite_command(made, SuiteSpec("unit", CommandSpec("true")), {})

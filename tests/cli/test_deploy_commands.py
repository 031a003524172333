"""``eph deploy`` and ``eph versions`` with a real server. Rows: M1, M2, M3, M6, P5."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from orchestrator.cli.cli_errors import ExitCode
from orchestrator.core.views.environment_views import EarlierBuild, EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.service.fake import START, FakeEnvironmentService, sample
from stacks import keys
from stacks.model import RefKind, StackRef
from tests.cli import clones

Eph = Callable[..., Result]
NAME = "shop-gentle-stream-42"


def test_deploy_prints_the_url_once(eph: Eph, desk: FakeEnvironmentService) -> None:  # M1, M2
    done = eph("deploy", "feat-x", "--ref", "feat", "--ttl", "2h")
    assert (done.exit_code, done.stdout) == (0, "http://feat-x.shop.localhost:8080\n"), done.output
    assert desk.calls == [("deploy", "feat-x", "admin-name")]
    assert json.loads(eph("deploy", "feat-y", "--version", "abcdef1", "-o", "json").stdout)["commit"] == "abcdef1"


def labelled(desk: FakeEnvironmentService) -> EnvironmentView:
    """A label deploy that replaced another commit."""
    deploy = replace(
        sample(7, Phase.ASLEEP),
        ref=StackRef("eph-shop-9ix", "deploy-1"),
        key=keys.ref(1, RefKind.DEPLOY, "feat-x"),
        ref_name="feat-x",
        app="shop.localhost",
        commit="a" * 40,
        author="bob",
        built_at=START,
        built_images={"web": "registry.example.com/shop@sha256:" + "1" * 64},
        earlier_builds=(EarlierBuild("b" * 40, START - timedelta(hours=1)),),
    )
    desk.put_environment(deploy)
    return deploy


def test_versions_lists_labels_and_what_they_replaced(eph: Eph, desk: FakeEnvironmentService) -> None:  # M6
    assert "no versions yet" in eph("versions").stderr
    labelled(desk)
    lines = eph("versions").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["VERSION", "ephemeral", "replaced"]
    assert "aaaaaaa" in lines[1]
    assert "bob" in lines[1]
    only = json.loads(eph("versions", "--ephemeral", "--output", "json").stdout)
    assert [(item["kind"], item["label"], item["by"]) for item in only] == [("ephemeral", "feat-x", "bob")]
    assert only[0]["images"] == {"web": "registry.example.com/shop@sha256:" + "1" * 64}
    assert json.loads(eph("versions", "--repository", "demo/other", "-o", "json").stdout) == []


@pytest.mark.parametrize(
    ("expected", "app"),
    [
        ("http://feat-x.shop.localhost:8080", "shop.localhost"),
        ("https://feat-x.shop.example.com", "shop.example.com"),
        ("http://shop-gentle-stream-7.localhost:8080", ""),
    ],
    ids=["route", "wildcard", "no route"],
)
def test_deploy_wakes_with_wait_and_prints_each_url_once(
    eph: Eph, desk: FakeEnvironmentService, expected: str, app: str
) -> None:  # M2, M4
    deploy = replace(labelled(desk), app=app, url=expected)
    desk.put_environment(replace(deploy, ref=StackRef("eph-shop-9ix", "deploy-feat-x"), name="other"))
    desk.deploy_url = expected
    desk.queue_phases("other", Phase.ASLEEP, Phase.ASLEEP, Phase.READY)
    done = eph("deploy", "feat-x", "--ref", "feat", "--wait")
    assert (done.exit_code, done.stdout) == (0, f"{expected}\n"), done.output
    assert ("wake", "other", "admin-name") in desk.calls
    assert done.output.count(expected) == 1


def test_deploy_reports_a_failure_and_what_is_left(eph: Eph, desk: FakeEnvironmentService) -> None:  # M3
    desk.deploy_error, desk.deploy_output = "build: npm failed", ("no such module: cart",)
    failed = eph("deploy", "feat-x", "--ref", "feat")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "npm failed" in failed.stderr
    assert "no such module: cart" in failed.stderr
    assert "Everything it created was removed" in failed.stderr
    desk.deploy_error_state = "replaced"
    replaced = eph("deploy", "feat-x", "--ref", "feat")
    assert replaced.exit_code == 1
    assert ("eph versions" in replaced.stderr, "was removed" in replaced.stderr) == (True, False)


@pytest.mark.parametrize("options", [("--ref", "a", "--version", "b"), ("--ref", "a", "--ttl", "0h")])
def test_deploy_accepts_one_source_and_a_positive_ttl(
    eph: Eph, desk: FakeEnvironmentService, options: tuple[str, ...]
) -> None:  # M1
    assert eph("deploy", "feat-x", *options).exit_code == ExitCode.USAGE
    assert desk.calls == []


def test_deploy_uploads_the_working_copy(
    eph: Eph, desk: FakeEnvironmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # M1
    clone = clones.create(tmp_path / "clone")
    clone.write({"kept.txt": "edited"})
    monkeypatch.chdir(clone.folder)
    done = eph("deploy", "feat-x")
    assert done.exit_code == 0, done.output
    assert desk.calls == [("upload", "demo/shop", "admin-name"), ("deploy", "feat-x", "admin-name")]
    assert desk.uploaded.startswith(b"# v2 git bundle\n")
    assert "changed files: 1" in done.stderr


def test_deploy_sends_no_secrets_unless_forced(
    eph: Eph, desk: FakeEnvironmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # M1
    clone = clones.create(tmp_path / "clone")
    clone.write({".env": "TOKEN=x"})
    monkeypatch.chdir(clone.folder)
    refused = eph("deploy", "feat-x")
    assert (refused.exit_code, desk.calls) == (ExitCode.USAGE, [])
    assert ".env" in refused.stderr
    assert eph("deploy", "feat-x", "--force").exit_code == 0


def test_deploy_with_other_variables_uploads_the_branch(
    eph: Eph, desk: FakeEnvironmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # M1
    monkeypatch.chdir(clones.create(tmp_path / "clone").folder)
    assert eph("deploy", "feat-x", "--ref", "main", "--env", "COLOUR=blue").exit_code == 0
    assert desk.calls[0][0] == "upload"
    for wrong in (("--env", "COLOUR"), ("--version", "abcdef1", "--env", "A=b")):
        assert eph("deploy", "feat-x", *wrong).exit_code == ExitCode.USAGE


def test_deploy_outside_of_a_clone_says_what_to_do(
    eph: Eph, desk: FakeEnvironmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # M1
    monkeypatch.chdir(tmp_path)
    refused = eph("deploy", "feat-x")
    assert (refused.exit_code, desk.calls) == (ExitCode.USAGE, [])
    assert "--ref" in refused.stderr

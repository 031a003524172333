"""The repository's tests where its build ran, in the real sandbox: P4, S3."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.kit import files, identifiers
from programs.kit.errors import TargetError
from programs.kit.isolation import domains, users
from programs.kit.processes import sandbox
from programs.spec import CommandSpec, EnvironmentSpec, SuiteSpec
from programs.targets.local import cleanup
from programs.targets.local.target import TARGET, VERSION
from tests.pictures import png
from tests.targets.local_machine import LocalMachine, Repository

SHA = "a" * 40


@pytest.fixture
def machine(shared_machine: LocalMachine) -> Iterator[LocalMachine]:
    """The shared one, as it was, at the end."""
    yield shared_machine
    for name in TARGET.list_environments(shared_machine.raw_settings):
        cleanup.purge(shared_machine.settings, name)
    assert shared_machine.remaining() == []


def spec(machine: LocalMachine, repository: Repository) -> EnvironmentSpec:
    made = machine.spec(repository, SHA, env={"TZ": "UTC", "KEPT": "by the environment"})
    checkout = machine.settings.env(made.name) / "src" / identifiers.generation(made, VERSION)
    files.make_folder(checkout)
    (checkout / "built.txt").write_text("by the build")
    files.make_folder(machine.settings.env(made.name) / "home" / "tmp")
    TARGET.ensure(machine.raw_settings)
    users.give(machine.settings.env(made.name), users.reserve(machine.settings, made.name))
    domains.ensure(machine.settings, made.name)
    return made


def run(environment_spec: EnvironmentSpec, suite: SuiteSpec) -> str:
    argv = TARGET.suite_command(environment_spec, suite, {"PREVIEW_URL": f"http://{environment_spec.host}:8080"})
    assert "PREVIEW_URL" not in " ".join(argv), "what it is given shows on no command line"
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def test_suite_sees_the_build_and_the_url(machine: LocalMachine, repository: Repository) -> None:
    made = spec(machine, repository)
    suite = SuiteSpec("unit", CommandSpec('cat built.txt; echo "$PREVIEW_URL $TZ $KEPT"'), env={"KEPT": "by the suite"})
    said = run(made, suite)
    assert said == f"by the buildhttp://{made.host}:8080 UTC by the suite\n"


def test_name_under_localhost_is_this_machine(machine: LocalMachine, repository: Repository) -> None:
    if sandbox.kind(machine.settings) != "bubblewrap":
        pytest.skip("only bubblewrap can show another list of host names")
    made = spec(machine, repository)
    assert run(made, SuiteSpec("unit", CommandSpec(f"getent hosts {made.host}"))).split()[0] == "127.0.0.1"


def test_suite_cannot_read_more_than_a_build(machine: LocalMachine, repository: Repository) -> None:
    made = spec(machine, repository)
    secret = machine.folder / "secret"
    secret.write_text("the server's own")
    secret.chmod(0o600)
    assert "the server's own" not in run(made, SuiteSpec("unit", CommandSpec(f"cat {secret}; env")))


def test_nothing_runs_without_its_commits_checkout(machine: LocalMachine, repository: Repository) -> None:
    made = spec(machine, repository)
    files.remove(machine.settings.env(made.name) / "src")
    with pytest.raises(TargetError, match="no checkout of commit aaaaaaa"):
        TARGET.suite_command(made, SuiteSpec("unit", CommandSpec("true")), {})


def test_screenshots_that_a_suite_writes_are_read(machine: LocalMachine, repository: Repository) -> None:
    made = spec(machine, repository)
    picture = base64.b64encode(png()).decode()
    began = time.time()
    suite = SuiteSpec(
        "browser",
        CommandSpec(f"mkdir -p out/a; echo {picture} | base64 -d > out/a/failed.png; ln -s /etc/passwd out/x.png"),
        artifacts="out",
    )
    run(made, suite)
    found = TARGET.suite_screenshots(made, suite, began)
    assert [(item.name, item.data) for item in found.files] == [("a/failed.png", png())]
    assert TARGET.suite_screenshots(made, suite, began + 60).files == ()
    assert TARGET.suite_screenshots(made, SuiteSpec("x", CommandSpec("true"), artifacts="none"), began).files == ()


def test_report_must_be_a_regular_file_in_the_checkout(machine: LocalMachine, repository: Repository) -> None:
    made = spec(machine, repository)
    checkout = next((machine.settings.env(made.name) / "src").iterdir())

    def report(path: str) -> bytes | None:
        return TARGET.suite_report(made, SuiteSpec("unit", CommandSpec("true"), junit=path), 4)

    (checkout / "out").mkdir()
    (checkout / "out" / "x.xml").write_text("<testsuite/>")
    assert report("out/x.xml") == b"<test", "bounded, and one more to tell"
    secret = machine.folder / "secret"
    secret.write_text("the server's own")
    (checkout / "link.xml").symlink_to(secret)
    (checkout / "way").symlink_to(machine.folder)
    os.mkfifo(checkout / "pipe.xml")
    for path in ("link.xml", "way/secret", "pipe.xml", "out", "nothing.xml"):
        assert report(path) is None, path
    assert Path(secret).exists()

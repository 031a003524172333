"""Every language that `eph doctor` lists works in a sandbox (T1)."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from programs.kit import toolchains
from programs.kit.processes import sandbox
from programs.kit.processes.command_runner import CommandRun, run
from tests.targets.isolated_machine import SHOP, Isolated
from tests.targets.local_machine import APP, LocalMachine, Repository

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]


@pytest.mark.long
def test_previews_find_the_languages_of_the_machine(isolated: Isolated) -> None:
    found = toolchains.on_this_machine(isolated.here.path, (isolated.here.root, isolated.here.routes))
    assert found, "this machine has Python at least"
    lines = [f"echo {item.language}; {item.program.name} {_question(item.language)} 2>&1 || exit 1" for item in found]
    text = isolated.run(SHOP, "\n".join(lines))
    assert [line for line in text.splitlines() if line in toolchains.COMMANDS] == [item.language for item in found]


def test_languages_beside_the_path_can_be_disabled(isolated: Isolated) -> None:
    none = replace(isolated.here, toolchains="none")
    run(none, SHOP, isolated.workspace(SHOP), CommandRun("path", "path", 'echo "$PATH"', 20, {}))
    assert (isolated.here.env(SHOP) / "logs" / "path.log").read_text() == f"{isolated.here.path}\n"


def test_ephs_own_packages_are_not_importable(isolated: Isolated) -> None:
    """S3"""
    assert not {*isolated.run(SHOP, 'echo "$PATH"').strip().split(os.pathsep)} & {f"{sys.prefix}/bin"}
    isolated.run(SHOP, "! python3 -c 'import pulumi' && ! python3 -c 'import programs'")


def test_versions_of_the_repository_come_first_on_the_path(
    shared_machine: LocalMachine, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T1: in a sandbox, with a real interpreter in a folder of mise, and next to it nothing of that folder (S3)."""
    installs = tmp_path / "mise" / "installs"
    for version in ("1.0.0", "2.0.0"):
        (installs / "python" / version / "bin").mkdir(parents=True)
        (installs / "python" / version / "bin" / "python3").symlink_to("/usr/bin/python3")
        (installs / "python" / version / "bin" / "chosen").write_text(f"#!/bin/sh\necho {version}\n")
        (installs / "python" / version / "bin" / "chosen").chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("MISE_DATA_DIR", str(tmp_path / "mise"))
    isolated = Isolated(shared_machine, repository, {"mise.toml": '[tools]\npython = "1"\nnode = "9"\n'})
    where = "command -v python3; chosen; python3 -c 'print(40 + 2)'"
    assert isolated.run(SHOP, where).splitlines() == [f"{installs}/python/1.0.0/bin/python3", "1.0.0", "42"]
    isolated.run(SHOP, f"! ls {installs}/python/2.0.0 && ! touch {installs}/python/1.0.0/new")


@pytest.mark.long
@pytest.mark.exhaustive
def test_version_that_is_not_installed_is_a_notice_of_the_build(
    pulumi: LocalMachine, repository: Repository, tmp_path: Path
) -> None:
    """T1: with the real Pulumi, as the pull request shows it. The environment runs anyway."""
    (tmp_path / "mise" / "installs" / "python" / "3.1").mkdir(parents=True)
    machine = replace(pulumi, env={**pulumi.env, "MISE_DATA_DIR": str(tmp_path / "mise")})
    first = {"app.py": APP, "version.txt": "one", ".tool-versions": "python 2.7.18\n"}
    own = machine.spec(repository, repository.push(first))
    [notice] = machine.up(own)["built"]["notices"]
    assert "python 2.7.18" in notice
    assert machine.get() == "one"
    fixed = repository.push({".tool-versions": "python system\n"})
    assert "notices" not in machine.up(replace(own, source=replace(own.source, commit=fixed)))["built"]
    machine.destroy()


def _question(language: str) -> str:
    return {"Go": "version", "Java": "-version"}.get(language, "--version")

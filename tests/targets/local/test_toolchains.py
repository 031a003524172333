"""Every language that `eph doctor` lists works in a sandbox (T1)."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from programs.kit import toolchains
from programs.kit.processes import sandbox
from programs.kit.processes.command_runner import CommandRun, run
from tests.targets.isolated_machine import SHOP, Isolated

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not sandbox.works(), reason="bubblewrap can't create its namespaces here"),
]


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


def _question(language: str) -> str:
    return {"Go": "version", "Java": "-version"}.get(language, "--version")

"""The fixtures of this room: a machine with a root of its own, with or without Pulumi, and a repository."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.local.target import TARGET
from tests.targets.machines import Machine, Repository, new_repository, pulumi_env


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


@pytest.fixture
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="eph-local-"))
    strings = {"root": str(folder / "root"), "routes": str(folder / "routes"), "url": "http://{host}:8080"}
    made = Machine(folder, strings)
    try:
        yield made
    finally:
        TARGET.stop(made.strings)
        left = TARGET.leftovers(made.strings, stopped=True)
        shutil.rmtree(folder)
        assert [line for line in left if line.startswith(("process", "socket"))] == []


@pytest.fixture
def pulumi(machine: Machine) -> Machine:
    machine.env = pulumi_env(machine.folder)
    return machine

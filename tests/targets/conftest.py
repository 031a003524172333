"""The fixtures of this room: a machine with a root of its own, with or without Pulumi, and a repository."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.local.target import TARGET
from tests.targets.machines import Machine, Repository, new_repository, pulumi_env


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Pulumi's mocks take the thread's event loop for granted; whoever had one before may have taken it along."""
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        made = asyncio.new_event_loop()
        asyncio.set_event_loop(made)
        yield
        asyncio.set_event_loop(None)
        made.close()
    else:
        yield


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

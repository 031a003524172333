"""The fixtures of these tests: a machine with its own root, with or without Pulumi, and a repository."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from programs.targets.local.target import TARGET
from tests.targets.local_machine import LocalMachine, Repository, new_repository, pulumi_env


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


@contextmanager
def local_machine() -> Iterator[LocalMachine]:
    """A machine whose servers are stopped at the end, and of which nothing may remain."""
    folder = Path(tempfile.mkdtemp(prefix="eph-local-"))
    strings = {"root": str(folder / "root"), "routes": str(folder / "routes"), "url": "http://{host}:8080"}
    made = LocalMachine(folder, strings)
    try:
        yield made
    finally:
        TARGET.stop(made.raw_settings)
        left = TARGET.list_remaining(made.raw_settings, including_server=True)
        shutil.rmtree(folder)
        assert [line for line in left if line.startswith(("process", "socket"))] == []


@pytest.fixture
def machine() -> Iterator[LocalMachine]:
    with local_machine() as made:
        yield made


@pytest.fixture(scope="session")
def shared_machine() -> Iterator[LocalMachine]:
    """For tests that leave it as they found it: one for each process of a run."""
    with local_machine() as made:
        yield made


@pytest.fixture
def pulumi(machine: LocalMachine) -> LocalMachine:
    machine.env = pulumi_env(machine.folder)
    return machine

"""A machine with a container engine, which all tests of a session share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.targets.compose.target import TARGET
from tests.targets.compose import compose_machine
from tests.targets.compose.compose_machine import ComposeMachine
from tests.targets.local_machine import Repository


@pytest.fixture(scope="session")
def engine() -> Iterator[Path]:
    with compose_machine.running_engine() as socket:
        yield socket


@pytest.fixture
def machine(engine: Path, tmp_path: Path, repository: Repository) -> Iterator[ComposeMachine]:
    """Nothing of it remains on the engine, as seen from outside."""
    before = compose_machine.everything_on(engine)
    made = compose_machine.machine(engine, tmp_path, repository)
    yield made
    for name in TARGET.list_environments(made.raw_settings):
        TARGET.purge(name, made.raw_settings)
    assert compose_machine.everything_on(engine) == before
    assert TARGET.list_remaining(made.raw_settings) == []

"""Two environments on one machine, whose removal must leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from programs.kit.isolation import users
from programs.targets.local import cleanup
from tests.targets.isolated_machine import BLOG, SHOP, Isolated
from tests.targets.local_machine import LocalMachine, Repository


@pytest.fixture
def isolated(shared_machine: LocalMachine, repository: Repository) -> Iterator[Isolated]:
    yield Isolated(shared_machine, repository)
    for name in (SHOP, BLOG):
        cleanup.purge(shared_machine.settings, name)
    assert shared_machine.remaining() == []
    assert users.list_reserved(shared_machine.settings) == {}

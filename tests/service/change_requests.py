"""What the tests of people's requests share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orchestrator.service.environment_service import LocalControlPlane
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.spec import EnvironmentSpec
from stacks.model import OperationVerb
from tests.worlds.world import World


@dataclass
class ActionsSetup:
    world: World
    actions: LocalControlPlane


@contextlib.contextmanager
def refused(reason: RefusalReason, message: str = "") -> Iterator[None]:
    with pytest.raises(RequestRefused, match=message or None) as raised:
        yield
    assert raised.value.reason is reason


def built_spec(town: World, number: int) -> EnvironmentSpec:
    """What the last update of the environment received."""
    ups = [each for each in town.stacks.started if each.ref == town.ref(number) and each.verb is OperationVerb.UP]
    assert ups[-1].spec is not None
    return ups[-1].spec

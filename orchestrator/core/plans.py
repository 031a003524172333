"""The plan as a value, and the one pure function that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.actions import Action
from orchestrator.core.model import World
from orchestrator.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, in order; printable, comparable, refusable."""

    actions: tuple[Action, ...]
    now: datetime


def plan(world: World, policy: Policy, now: datetime) -> Plan:
    raise NotImplementedError

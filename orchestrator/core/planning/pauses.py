"""What a pause makes of a plan: every action that would change something waits, and says what it waits for.

Everything else stays as it is, so queue positions, refusals and holds look the same during a pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from orchestrator.core import wording
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.pause import Pause
from orchestrator.core.planning.plan_actions import (
    Action,
    Confirm,
    Create,
    Destroy,
    Expire,
    Find,
    Hold,
    Interrupt,
    Keep,
    Purge,
    Refuse,
    Retag,
    Revive,
    Sleep,
    StackAction,
    Unlabel,
    Update,
    Wait,
    WaitingFor,
    Wake,
)
from orchestrator.core.planning.reason_codes import HoldCode
from stacks.model import Key, StackRef


def apply(
    actions: Iterable[Action], environments: Mapping[StackRef, EnvironmentFacts], pause: Pause | None
) -> tuple[Action, ...]:
    """A leftover has no stack that could wait, so it isn't shown; it is found again after the pause."""
    if pause is None:
        return tuple(actions)
    return tuple(_paused(action, environments, describe(pause)) for action in actions if not isinstance(action, Purge))


def describe(pause: Pause) -> str:
    return wording.pauses.paused(pause.by, pause.at, pause.reason)


def note(pause: Pause) -> str:
    """For the status of the server."""
    return wording.pauses.note(describe(pause))


def _paused(action: StackAction, environments: Mapping[StackRef, EnvironmentFacts], paused: str) -> StackAction:
    match action:
        case Hold() | Wait() | Refuse() | Keep():
            return action
        case Destroy() | Interrupt() | Confirm():
            return _hold(action, paused)
        case Create() | Update() | Find() | Expire() | Unlabel() | Revive():
            return _wait(action, action.key, paused)
        case Retag() | Sleep() | Wake():
            return _wait(action, environments[action.ref].key, paused)
        case _:
            assert_never(action)


def _wait(action: StackAction, key: Key, paused: str) -> Wait:
    reason = wording.pauses.waits(paused, action.reason)
    return Wait(action.ref, key, reason, waiting_for=WaitingFor.PAUSE)


def _hold(action: StackAction, paused: str) -> Hold:
    reason = wording.pauses.waits(paused, action.reason)
    return Hold(action.ref, reason, HoldCode.PAUSED, wording.pauses.RESUME)

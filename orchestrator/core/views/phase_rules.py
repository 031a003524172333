"""Computes the phase of an environment from its facts and from what the plan does with it."""

from __future__ import annotations

from typing import assert_never

from orchestrator.core.desired import image_pinning
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.planning import repairs
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
    Unlabel,
    Update,
    Wait,
    WaitingFor,
    Wake,
)
from orchestrator.core.views.phases import Phase
from stacks.model import OperationVerb


def compute(environment: EnvironmentFacts, action: Action, failed: bool, policy: Policy) -> Phase:
    """``failed``: the last attempts of the wanted commit failed."""
    if environment.running is not None and environment.running.verb in (OperationVerb.UP, OperationVerb.DESTROY):
        return _under_way(environment, environment.running.verb, action)
    if environment.running is not None and environment.running.verb in (OperationVerb.SLEEP, OperationVerb.WAKE):
        ends = isinstance(action, Interrupt) and action.unwanted
        return (
            Phase.DESTROYING
            if ends
            else Phase.ASLEEP
            if environment.running.verb is OperationVerb.SLEEP
            else Phase.STARTING
        )
    match action:
        case Sleep():
            return Phase.ASLEEP
        case Wake():
            return Phase.STARTING
        case Create() | Update():
            return _building(environment)
        case Destroy() | Interrupt():
            return Phase.DESTROYING
        case Wait(waiting_for=WaitingFor.DESTROY):
            return Phase.FAILED if failed else Phase.DESTROYING
        case Wait(waiting_for=WaitingFor.QUEUE | WaitingFor.BACKOFF) if not failed and _is_current(environment):
            return _built(environment, policy)  # only maintenance or a repair waits; the newest commit is live
        case Wait(waiting_for=WaitingFor.PAUSE) if _is_asleep(environment) or (not failed and _is_current(environment)):
            return _built(environment, policy)
        case Find() | Wait(waiting_for=WaitingFor.IMAGE):
            return _without_images(environment, failed, policy)
        case Wait(waiting_for=WaitingFor.QUEUE):
            return Phase.QUEUED
        case Wait(waiting_for=WaitingFor.STALLED):
            return Phase.FAILED if failed and _is_permanent(environment) else Phase.STALLED
        case Wait():
            return Phase.FAILED if failed else Phase.WAITING
        case Refuse():
            return Phase.EXPIRED if environment.request and environment.request.expired else Phase.REFUSED
        case Expire() | Unlabel():
            return Phase.EXPIRED
        case Revive():
            return Phase.WAITING
        case Hold():
            return Phase.HELD
        case Keep() | Retag() | Confirm():
            return _built(environment, policy)
        case Purge():
            raise ValueError("an orphan isn't an environment")
        case _:
            assert_never(action)


def _under_way(environment: EnvironmentFacts, verb: OperationVerb, action: Action) -> Phase:
    ending = verb is OperationVerb.DESTROY or (isinstance(action, Interrupt) and action.unwanted)
    return Phase.DESTROYING if ending else _building(environment)


def _is_permanent(environment: EnvironmentFacts) -> bool:
    """It wasn't tried repeatedly, because the commit would fail again."""
    return environment.failure is not None and not environment.failure.retryable


def _is_current(environment: EnvironmentFacts) -> bool:
    built = environment.record.built if environment.record else None
    return built is not None and built.commit == environment.head


def _without_images(environment: EnvironmentFacts, failed: bool, policy: Policy) -> Phase:
    """Images are missing. If this commit is already live, it stays so, whatever a registry says."""
    if _is_current(environment):
        return _built(environment, policy)
    if failed:
        return Phase.FAILED
    return Phase.IMAGE if image_pinning.waiting_since(environment) else Phase.WAITING


def _is_asleep(environment: EnvironmentFacts) -> bool:
    return environment.tag is not None and environment.tag.asleep is not None


def _building(environment: EnvironmentFacts) -> Phase:
    return Phase.UPDATING if environment.record and environment.record.built else Phase.CREATING


def _built(environment: EnvironmentFacts, policy: Policy) -> Phase:
    """Built as wanted; ready once its URL responds with the wanted commit."""
    built = environment.record.built if environment.record else None
    if _is_asleep(environment):
        return Phase.ASLEEP
    if built is None:
        return Phase.WAITING
    answers = repairs.is_responding(environment)
    if answers:
        return Phase.READY if built.commit == (environment.head or built.commit) else Phase.UPDATING
    if answers is None or environment.health is None or repairs.is_starting(environment.health, built, policy):
        return Phase.STARTING
    return Phase.UNHEALTHY

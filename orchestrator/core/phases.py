"""The phase of an environment: computed from facts each time, stored nowhere."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from orchestrator.core import repairs, sought
from orchestrator.core.actions import (
    Action,
    Because,
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
    Wake,
)
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from stacks.model import Verb


class Phase(StrEnum):
    QUEUED = "queued"
    WAITING = "waiting"
    """For checks, a debounce, a backoff, or facts that are not known yet."""
    IMAGE = "waiting for image"
    """CI has not pushed it, or its registry does not answer."""
    CREATING = "creating"
    UPDATING = "updating"
    STARTING = "starting"
    """``up`` succeeded; the URL has not answered its health check yet."""
    READY = "ready"
    UNHEALTHY = "unhealthy"
    """It was ready, and its URL no longer answers."""
    FAILED = "failed"
    STALLED = "stalled"
    """Failed as often as it is tried; waits for a new commit, a person, or the hour."""
    REFUSED = "refused"
    """Not made: a wrong eph.yaml, a fork, an untrusted author, a limit of the server."""
    ASLEEP = "asleep"
    """Stopped, with all that it holds; a visit wakes it."""
    HELD = "held"
    EXPIRED = "expired"
    DESTROYING = "destroying"
    DESTROYED = "destroyed"


def of(subject: Subject, action: Action, failed: bool, policy: Policy) -> Phase:
    """``failed``: the last tries of what is wanted now did."""
    if subject.running is not None and subject.running.verb in (Verb.UP, Verb.DESTROY):
        return _under_way(subject, subject.running.verb, action)
    if subject.running is not None and subject.running.verb in (Verb.SLEEP, Verb.WAKE):
        ends = isinstance(action, Interrupt) and action.unwanted
        return Phase.DESTROYING if ends else Phase.ASLEEP if subject.running.verb is Verb.SLEEP else Phase.STARTING
    match action:
        case Sleep():
            return Phase.ASLEEP
        case Wake():
            return Phase.STARTING
        case Create() | Update():
            return _making(subject)
        case Destroy() | Interrupt():
            return Phase.DESTROYING
        case Wait(because=Because.DESTROY):
            return Phase.FAILED if failed else Phase.DESTROYING
        case Wait(because=Because.QUEUE | Because.BACKOFF) if not failed and _is_current(subject):
            return _standing(subject, policy)  # an upgrade or a repair waits; the newest commit is there
        case Find() | Wait(because=Because.IMAGE):
            return _unmade(subject, failed, policy)
        case Wait(because=Because.QUEUE):
            return Phase.QUEUED
        case Wait(because=Because.STALLED):
            return Phase.STALLED
        case Wait():
            return Phase.FAILED if failed else Phase.WAITING
        case Refuse():
            return Phase.EXPIRED if subject.candidate and subject.candidate.expired else Phase.REFUSED
        case Expire() | Unlabel():
            return Phase.EXPIRED
        case Revive():
            return Phase.WAITING
        case Hold():
            return Phase.HELD
        case Keep() | Retag() | Confirm():
            return _standing(subject, policy)
        case Purge():
            raise ValueError("a leftover is no environment")
        case _:
            assert_never(action)


def _under_way(subject: Subject, verb: Verb, action: Action) -> Phase:
    ending = verb is Verb.DESTROY or (isinstance(action, Interrupt) and action.unwanted)
    return Phase.DESTROYING if ending else _making(subject)


def _is_current(subject: Subject) -> bool:
    built = subject.record.built if subject.record else None
    return built is not None and built.commit == subject.head


def _unmade(subject: Subject, failed: bool, policy: Policy) -> Phase:
    """Without its images. What runs of this very commit runs on, whatever a registry says."""
    if _is_current(subject):
        return _standing(subject, policy)
    if failed:
        return Phase.FAILED
    return Phase.IMAGE if sought.waits_since(subject) else Phase.WAITING


def _making(subject: Subject) -> Phase:
    return Phase.UPDATING if subject.record and subject.record.built else Phase.CREATING


def _standing(subject: Subject, policy: Policy) -> Phase:
    """It is built as wanted; ready only once its own URL answered for the commit that is wanted."""
    built = subject.record.built if subject.record else None
    if subject.tag is not None and subject.tag.asleep:
        return Phase.ASLEEP
    if built is None:
        return Phase.WAITING
    answers = repairs.answers(subject)
    if answers:
        return Phase.READY if built.commit == (subject.head or built.commit) else Phase.UPDATING
    if answers is None or subject.health is None or repairs.is_starting(subject.health, built, policy):
        return Phase.STARTING
    return Phase.UNHEALTHY

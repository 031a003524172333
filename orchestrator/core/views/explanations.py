"""The facts behind a decision, as sentences for ``eph why``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.core import wording
from orchestrator.core.desired import expiry, image_pinning
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import EnvironmentRequest, HealthStatus, Recipe
from orchestrator.core.sleep import sleep_rules
from stacks.model import OperationResult, StackRecord


def explain(environment: EnvironmentFacts, policy: Policy, now: datetime) -> Iterable[str]:
    if environment.request is not None:
        yield environment.request.reason
        seen = expiry.commit_seen_at(environment, now)
        yield wording.facts.first_seen(environment.head, seen)
        yield from _about_images(environment, environment.request)
    if environment.record is not None:
        yield _about_record(environment.record)
    if environment.running is not None:
        running = environment.running
        yield wording.facts.running_since(running.verb, running.commit, running.started)
    if environment.health is not None and environment.record is not None and environment.record.built is not None:
        yield _about_health(environment.health)
    if environment.failure is not None:
        yield _about_failure(environment.failure)
    if repaired := repair_sentence(environment):
        yield repaired
    for intent in environment.intents:
        yield wording.facts.requested(intent.by, intent.kind, intent.at)
    if environment.record is not None and expiry.is_kept(environment):
        yield wording.operations.kept(True)
    yield from _about_sleep(environment, policy, now)
    expires = expiry.expires_at(environment, policy, now) if environment.request else None
    if expires is not None:
        yield wording.facts.expires(expires, expires - now)


def _about_sleep(environment: EnvironmentFacts, policy: Policy, now: datetime) -> Iterable[str]:
    """When it sleeps, and why."""
    yield from sleep_rules.describe(environment, policy)
    used, tag = sleep_rules.last_used(environment), environment.tag
    if used is not None:
        yield wording.facts.last_visit(used)
    if tag is not None and tag.awake_until is not None and tag.awake_until > now:
        yield wording.facts.awake_until(tag.awake_until)
    due = sleep_rules.sleeps_at(environment, policy, now) if tag is not None and tag.asleep is None else None
    if due is not None and due.at > now:
        yield wording.facts.sleeps_at(due.at, due.at - now)


def repair_sentence(environment: EnvironmentFacts) -> str:
    """``repaired at 10:32: the database main was gone; it was recreated``, while the repaired commit runs."""
    last, built = environment.last_repair, environment.record.built if environment.record else None
    if last is None or built is None or built.commit != last.commit:
        return ""
    return wording.repairs.repaired(last.at, last.sentence)


def _about_images(environment: EnvironmentFacts, request: EnvironmentRequest) -> Iterable[str]:
    if isinstance(request.recipe, Recipe):
        for name, pin in image_pinning.pinned(environment, request.recipe.images).items():
            yield wording.facts.image_pinned(name, pin.reference, pin.how)
        for each in image_pinning.missing(environment, request.recipe):
            yield wording.facts.image_missing(each.request.name, each.sentence)


def _about_record(record: StackRecord) -> str:
    if record.unreadable:
        return wording.facts.unreadable_stack(record.ref)
    if record.built is None:
        return wording.facts.unbuilt_stack(record.ref)
    return wording.facts.built_stack(record.ref, record.built.commit, record.built.built_at)


def _about_health(health: HealthStatus) -> str:
    return wording.facts.health(health.ok, health.since, health.commit, health.detail)


def _about_failure(failure: OperationResult) -> str:
    operation = wording.operations.operation(failure.verb, failure.commit)
    return wording.facts.last_operation(operation, failure.outcome, failure.ended, failure.error)

"""The facts that a decision stands on, as sentences for ``eph why``: from the Git host inwards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.core.desired import expiry, image_pinning
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import HealthStatus, Recipe, Request
from orchestrator.core.sleep import sleep_rules
from orchestrator.core.util import formatting
from stacks.model import OperationResult, RefKind, StackRecord


def explain(environment: EnvironmentFacts, policy: Policy, now: datetime) -> Iterable[str]:
    if environment.request is not None:
        yield _about_pull(environment.title, environment.request)
        seen = expiry.commit_seen_at(environment, now)
        yield f"commit {formatting.commit(environment.head)} was first seen at {formatting.timestamp(seen)}"
        yield from _about_images(environment, environment.request)
    if environment.record is not None:
        yield _about_record(environment.record)
    if environment.running is not None:
        commit = f" of {formatting.commit(environment.running.commit)}" if environment.running.commit else ""
        yield (
            f"{environment.running.verb}{commit} has been running since "
            f"{formatting.timestamp(environment.running.started)}"
        )
    if environment.health is not None and environment.record is not None and environment.record.built is not None:
        yield _about_health(environment.health)
    if environment.failure is not None:
        yield _about_failure(environment.failure)
    if told := repair_sentence(environment):
        yield told
    for intent in environment.intents:
        yield f"{intent.by} requested {intent.kind} at {formatting.timestamp(intent.at)}"
    if environment.record is not None and expiry.is_kept(environment):
        yield "kept: it doesn't expire"
    yield from _about_sleep(environment, policy, now)
    expires = expiry.expires_at(environment, policy, now) if environment.request else None
    if expires is not None:
        yield f"expires at {formatting.timestamp(expires)}, in {formatting.duration(expires - now)}"


def _about_sleep(environment: EnvironmentFacts, policy: Policy, now: datetime) -> Iterable[str]:
    """When it sleeps, and what that is counted from."""
    yield from sleep_rules.describe(environment, policy)
    used, tag = sleep_rules.last_used(environment), environment.tag
    if used is not None:
        yield f"last visited at {formatting.timestamp(used)}"
    if tag is not None and tag.awake_until is not None and tag.awake_until > now:
        yield f"woken up: it stays awake until at least {formatting.timestamp(tag.awake_until)}"
    due = sleep_rules.sleeps_at(environment, policy, now) if tag is not None and tag.asleep is None else None
    if due is not None and due.at > now:
        yield (
            f"goes to sleep at {formatting.timestamp(due.at)}, in {formatting.duration(due.at - now)}, unless "
            "it is visited"
        )


def repair_sentence(environment: EnvironmentFacts) -> str:
    """``repaired at 10:32: the database main was gone; it was recreated``, while that very commit runs."""
    last, built = environment.last_repair, environment.record.built if environment.record else None
    if last is None or built is None or built.commit != last.commit:
        return ""
    return f"repaired at {formatting.timestamp(last.at)}: {last.sentence}"


def _about_pull(title: str, request: Request) -> str:
    if request.pull.key.kind is not RefKind.PULL:
        return f"{title} is a {request.pull.key.kind} that the default branch's eph.yaml selects"
    pull, wanted = request.pull, request.pull.labels & request.recipe.labels
    draft = " as a draft" if pull.draft else ""
    labels = f"has the label {formatting.join_words(wanted)}" if wanted else "has no trigger label"
    return f"{title} is {pull.state}{draft} and {labels}"


def _about_images(environment: EnvironmentFacts, request: Request) -> Iterable[str]:
    if isinstance(request.recipe, Recipe):
        for name, pin in image_pinning.pinned(environment, request.recipe.images).items():
            how = f", found by {pin.how}" if pin.how else ""
            yield f"image {name} is {pin.reference}{how}"
        for each in image_pinning.missing(environment, request.recipe):
            yield f"image {each.request.name} is missing: {each.sentence}"


def _about_record(record: StackRecord) -> str:
    if record.unreadable:
        return f"stack {record.ref} exists but can't be read"
    if record.built is None:
        return f"stack {record.ref} exists; no successful build yet"
    built = record.built
    return (
        f"stack {record.ref} runs commit {formatting.commit(built.commit)}, built at "
        f"{formatting.timestamp(built.built_at)}"
    )


def _about_health(health: HealthStatus) -> str:
    answers = "has been responding" if health.ok else "hasn't responded"
    detail = f" ({health.detail})" if health.detail else ""
    return (
        f"its URL {answers} since {formatting.timestamp(health.since)} with commit "
        f"{formatting.commit(health.commit)}{detail}"
    )


def _about_failure(failure: OperationResult) -> str:
    what = f"{failure.verb} of {formatting.commit(failure.commit)}" if failure.commit else f"{failure.verb}"
    why = f": {failure.error}" if failure.error else ""
    return f"the last {what} {failure.outcome} at {formatting.timestamp(failure.ended)}{why}"

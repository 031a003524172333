"""The facts that a decision stands on, as sentences for ``eph why``: from the Git host inwards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.core import expiries, reasons, rests, sought
from orchestrator.core.model import HealthStatus, Recipe, Request
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import EnvironmentFacts
from stacks.model import OperationResult, RefKind, StackRecord


def explain(environment: EnvironmentFacts, policy: Policy, now: datetime) -> Iterable[str]:
    if environment.request is not None:
        yield _about_pull(environment.title, environment.request)
        seen = expiries.commit_seen_at(environment, now)
        yield f"commit {reasons.commit(environment.head)} was first seen {reasons.timestamp(seen)}"
        yield from _about_images(environment, environment.request)
    if environment.record is not None:
        yield _about_record(environment.record)
    if environment.running is not None:
        commit = f" of {reasons.commit(environment.running.commit)}" if environment.running.commit else ""
        yield f"{environment.running.verb}{commit} runs since {reasons.timestamp(environment.running.started)}"
    if environment.health is not None and environment.record is not None and environment.record.built is not None:
        yield _about_health(environment.health)
    if environment.failure is not None:
        yield _about_failure(environment.failure)
    if told := repair_sentence(environment):
        yield told
    for intent in environment.intents:
        yield f"{intent.by} asked for {intent.kind} at {reasons.timestamp(intent.at)}"
    if environment.record is not None and expiries.is_kept(environment):
        yield "it is kept: it does not expire"
    yield from _about_sleep(environment, policy, now)
    expires = expiries.expires_at(environment, policy, now) if environment.request else None
    if expires is not None:
        yield f"expires {reasons.timestamp(expires)}, in {reasons.duration(expires - now)}"


def _about_sleep(environment: EnvironmentFacts, policy: Policy, now: datetime) -> Iterable[str]:
    """When it sleeps, and what that is counted from."""
    yield from rests.describe(environment, policy)
    used, tag = rests.last_used(environment), environment.tag
    if used is not None:
        yield f"the last visit that the gateway saw was at {reasons.timestamp(used)}"
    if tag is not None and tag.awake_until is not None and tag.awake_until > now:
        yield f"somebody woke it: it stays awake until {reasons.timestamp(tag.awake_until)} at least"
    due = rests.sleeps_at(environment, policy, now) if tag is not None and tag.asleep is None else None
    if due is not None and due.at > now:
        yield f"sleeps {reasons.timestamp(due.at)}, in {reasons.duration(due.at - now)}, if nobody uses it until then"


def repair_sentence(environment: EnvironmentFacts) -> str:
    """``repaired at 10:32: the database main was gone; it was made again``, while that very commit runs."""
    last, built = environment.last_repair, environment.record.built if environment.record else None
    if last is None or built is None or built.commit != last.commit:
        return ""
    return f"repaired at {reasons.timestamp(last.at)}: {last.sentence}"


def _about_pull(title: str, request: Request) -> str:
    if request.pull.key.kind is not RefKind.PULL:
        return f"{title} is a {request.pull.key.kind} that a trigger of the default branch's eph.yaml names"
    pull, wanted = request.pull, request.pull.labels & request.recipe.labels
    draft = " as a draft" if pull.draft else ""
    labels = f"has the label {reasons.join_words(wanted)}" if wanted else "has no label that asks for an environment"
    return f"{title} is {pull.state}{draft} and {labels}"


def _about_images(environment: EnvironmentFacts, request: Request) -> Iterable[str]:
    if isinstance(request.recipe, Recipe):
        for name, pin in sought.pinned(environment, request.recipe.images).items():
            how = f", by {pin.how}" if pin.how else ""
            yield f"image {name} is {pin.reference}{how}"
        for each in sought.missing(environment, request.recipe):
            yield f"image {each.request.name} is missing: {each.sentence}"


def _about_record(record: StackRecord) -> str:
    if record.unreadable:
        return f"the stack {record.ref} exists and cannot be read"
    if record.built is None:
        return f"the stack {record.ref} exists; nothing was ever built whole in it"
    built = record.built
    return (
        f"the stack {record.ref} holds commit {reasons.commit(built.commit)}, built {reasons.timestamp(built.built_at)}"
    )


def _about_health(health: HealthStatus) -> str:
    answers = "answers" if health.ok else "does not answer"
    detail = f" ({health.detail})" if health.detail else ""
    return f"its URL {answers} for {reasons.commit(health.commit)} since {reasons.timestamp(health.since)}{detail}"


def _about_failure(failure: OperationResult) -> str:
    what = f"{failure.verb} of {reasons.commit(failure.commit)}" if failure.commit else f"{failure.verb}"
    why = f": {failure.error}" if failure.error else ""
    return f"the last {what} {failure.outcome} at {reasons.timestamp(failure.ended)}{why}"

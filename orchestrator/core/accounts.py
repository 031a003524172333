"""The facts that a decision stands on, as sentences for ``eph why``: from the Git host inwards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.core import expiries, reasons, rests, sought
from orchestrator.core.model import Candidate, Health, Recipe
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from stacks.model import OperationResult, RefKind, StackRecord


def of(subject: Subject, policy: Policy, now: datetime) -> Iterable[str]:
    if subject.candidate is not None:
        yield _about_pull(subject.title, subject.candidate)
        seen = expiries.newest_seen(subject, now)
        yield f"commit {reasons.commit(subject.head)} was first seen {reasons.moment(seen)}"
        yield from _about_images(subject, subject.candidate)
    if subject.record is not None:
        yield _about_record(subject.record)
    if subject.running is not None:
        commit = f" of {reasons.commit(subject.running.commit)}" if subject.running.commit else ""
        yield f"{subject.running.verb}{commit} runs since {reasons.moment(subject.running.started)}"
    if subject.health is not None and subject.record is not None and subject.record.built is not None:
        yield _about_health(subject.health)
    if subject.failure is not None:
        yield _about_failure(subject.failure)
    if told := mended(subject):
        yield told
    for intent in subject.intents:
        yield f"{intent.by} asked for {intent.kind} at {reasons.moment(intent.at)}"
    if subject.record is not None and expiries.kept(subject):
        yield "it is kept: it does not expire"
    yield from _about_rest(subject, policy, now)
    expires = expiries.expires_at(subject, policy, now) if subject.candidate else None
    if expires is not None:
        yield f"expires {reasons.moment(expires)}, in {reasons.duration(expires - now)}"


def _about_rest(subject: Subject, policy: Policy, now: datetime) -> Iterable[str]:
    """When it sleeps, and what that is counted from."""
    yield from rests.rules(subject, policy)
    used, tag = rests.last_used(subject), subject.tag
    if used is not None:
        yield f"the last visit that the gateway saw was at {reasons.moment(used)}"
    if tag is not None and tag.awake_until is not None and tag.awake_until > now:
        yield f"somebody woke it: it stays awake until {reasons.moment(tag.awake_until)} at least"
    due = rests.sleeps_at(subject, policy, now) if tag is not None and tag.asleep is None else None
    if due is not None and due.at > now:
        yield f"sleeps {reasons.moment(due.at)}, in {reasons.duration(due.at - now)}, if nobody uses it until then"


def mended(subject: Subject) -> str:
    """``repaired at 10:32: the database main was gone; it was made again``, while that very commit runs."""
    last, built = subject.mended, subject.record.built if subject.record else None
    if last is None or built is None or built.commit != last.commit:
        return ""
    return f"repaired at {reasons.moment(last.at)}: {last.sentence}"


def _about_pull(title: str, candidate: Candidate) -> str:
    if candidate.pull.key.kind is not RefKind.PULL:
        return f"{title} is a {candidate.pull.key.kind} that a trigger of the default branch's eph.yaml names"
    pull, wanted = candidate.pull, candidate.pull.labels & candidate.recipe.labels
    draft = " as a draft" if pull.draft else ""
    labels = f"has the label {reasons.listing(wanted)}" if wanted else "has no label that asks for an environment"
    return f"{title} is {pull.state}{draft} and {labels}"


def _about_images(subject: Subject, candidate: Candidate) -> Iterable[str]:
    if isinstance(candidate.recipe, Recipe):
        for name, pin in sought.pinned(subject, candidate.recipe.images).items():
            how = f", by {pin.how}" if pin.how else ""
            yield f"image {name} is {pin.reference}{how}"
        for each in sought.missing(subject, candidate.recipe):
            yield f"image {each.wish.name} is missing: {each.sentence}"


def _about_record(record: StackRecord) -> str:
    if record.unreadable:
        return f"the stack {record.ref} exists and cannot be read"
    if record.built is None:
        return f"the stack {record.ref} exists; nothing was ever built whole in it"
    built = record.built
    return f"the stack {record.ref} holds commit {reasons.commit(built.commit)}, built {reasons.moment(built.at)}"


def _about_health(health: Health) -> str:
    answers = "answers" if health.ok else "does not answer"
    detail = f" ({health.detail})" if health.detail else ""
    return f"its URL {answers} for {reasons.commit(health.commit)} since {reasons.moment(health.since)}{detail}"


def _about_failure(failure: OperationResult) -> str:
    what = f"{failure.verb} of {reasons.commit(failure.commit)}" if failure.commit else f"{failure.verb}"
    why = f": {failure.error}" if failure.error else ""
    return f"the last {what} {failure.outcome} at {reasons.moment(failure.ended)}{why}"

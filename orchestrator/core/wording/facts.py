"""The facts below the decision in `eph why`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from orchestrator.core.util import formatting
from orchestrator.core.wording import operations
from orchestrator.core.wording.common import detail_after_colon


def unused_database(name: str, variable: str) -> str:
    return (
        f"no service has connected to the database {name} since this commit was deployed: check that a service reads "
        f"{variable}"
    )


def first_seen(sha: str, at: datetime) -> str:
    return f"commit {formatting.commit(sha)} was first seen at {formatting.timestamp(at)}"


def running_since(verb: str, sha: str, since: datetime) -> str:
    return f"{operations.operation(verb, sha)} has been running since {formatting.timestamp(since)}"


def requested(person: str, kind: str, at: datetime) -> str:
    return f"{person} requested {kind} at {formatting.timestamp(at)}"


def expires(at: datetime, remaining: timedelta) -> str:
    return f"expires at {formatting.timestamp(at)}, in {formatting.duration(remaining)}"


def last_visit(at: datetime) -> str:
    return f"last visited at {formatting.timestamp(at)}"


def awake_until(at: datetime) -> str:
    return f"woken up: it stays awake until at least {formatting.timestamp(at)}"


def sleeps_at(at: datetime, remaining: timedelta) -> str:
    return f"goes to sleep at {formatting.timestamp(at)}, in {formatting.duration(remaining)}, unless it is visited"


def selected_ref(title: str, kind: str) -> str:
    return f"{title} is a {kind} that the default branch's eph.yaml selects"


def pull_state(title: str, state: str, is_draft: bool, labels: Iterable[str]) -> str:
    found = formatting.join_words(labels)
    has = f"has the label {found}" if found else "has no trigger label"
    return f"{title} is {state}{' as a draft' if is_draft else ''} and {has}"


def image_pinned(name: str, reference: str, how: str) -> str:
    return f"image {name} is {reference}" + (f", found by {how}" if how else "")


def image_missing(name: str, detail: str) -> str:
    return f"image {name} is missing: {detail}"


def unreadable_stack(ref: object) -> str:
    return f"stack {ref} exists but can't be read"


def unbuilt_stack(ref: object) -> str:
    return f"stack {ref} exists; no successful build yet"


def built_stack(ref: object, sha: str, at: datetime) -> str:
    return f"stack {ref} runs commit {formatting.commit(sha)}, built at {formatting.timestamp(at)}"


def health(ok: bool, since: datetime, sha: str, detail: str) -> str:
    responds = "has been responding" if ok else "hasn't responded"
    more = f" ({detail})" if detail else ""
    return f"its URL {responds} since {formatting.timestamp(since)} with commit {formatting.commit(sha)}{more}"


def last_operation(operation: str, outcome: str, at: datetime, problem: str) -> str:
    return f"the last {operation} {outcome} at {formatting.timestamp(at)}{detail_after_colon(problem)}"


OUTPUT_LOST = "the last attempt failed; its output was lost in a restart"

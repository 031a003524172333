"""Responses that need more than the attributes of one value; pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.failure_views import FailureView
from orchestrator.service.port import ForgeUsage, ServiceStatus
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.schemas import environment_schemas as schemas
from stacks.model import RefKind


def status(now: ServiceStatus, environments: int, forge: str) -> schemas.StatusResponse:
    return schemas.StatusResponse(
        version=now.version,
        started=now.started,
        last_cycle=now.last_cycle,
        cycle_seconds=now.cycle_seconds,
        complete=now.complete,
        notes=list(now.notes),
        running=now.running,
        queued=now.queued,
        environments=environments,
        leads=now.leads,
        term=now.term,
        leader=now.leader,
        forge=forge,
        pause=schemas.PauseState.model_validate(now.pause) if now.pause else None,
        rate_limit=_rate_limit(now.forge),
    )


def _rate_limit(usage: ForgeUsage | None) -> schemas.ForgeRateLimit | None:
    if usage is None or (usage.limit < 0 and usage.blocked_for <= 0):
        return None
    return schemas.ForgeRateLimit(
        remaining=max(usage.remaining, 0), limit=max(usage.limit, 0), blocked_seconds=max(usage.blocked_for, 0.0)
    )


def why(view: EnvironmentView) -> schemas.Why:
    sentences = list(view.reasons) or [wording.api.environment_is(view.phase.value)]
    return schemas.Why(name=view.name, phase=view.phase.value, sentences=sentences, facts=list(facts(view)))


def facts(view: EnvironmentView) -> Iterator[schemas.Fact]:
    """What is known about an environment, in the order in which people ask, without empty values."""
    for name, value in _pairs(view):
        if value:
            yield schemas.Fact(name=name, value=value)


def _pairs(view: EnvironmentView) -> Iterator[tuple[str, str]]:
    kind = view.key.kind if view.key else RefKind.PULL
    yield "pull request" if kind is RefKind.PULL else str(kind), display_name(view)
    yield "branch", view.branch
    yield "newest commit", view.wanted_commit
    yield "live commit", view.commit
    yield "phase since", _time(view.since)
    yield "ready at", _time(view.ready_at)
    yield "expires at", _time(view.expires_at)
    yield "asleep since", _time(view.asleep_since)
    yield "wakes at", _time(view.wakes_at)
    yield "sleeps at", _time(view.sleeps_at)
    yield "last visit", _time(view.used_at)
    yield "services off", ", ".join(view.disabled)
    yield "size", view.size
    yield "queue position", str(view.queue_position) if view.queue_position is not None else ""
    yield "now", view.progress
    for suite in view.tests:
        yield f"tests {suite.name}", f"{suite.state}{f': {suite.detail}' if suite.detail else ''}"
    yield "repaired", view.repaired.removeprefix("repaired at ")
    for problem in view.problems:
        yield "problem", problem
    if view.failure:
        yield from _failure_pairs(view.failure)
    if view.cost is not None:
        cost = view.cost
        yield "cost", wording.api.estimate(cost.awake_hourly, cost.asleep_hourly, cost.awake_daily)
        yield "spent", wording.api.cost_so_far(cost.spent, cost.total_saved)
    yield "stack", str(view.ref)
    yield "target", view.target
    yield "to continue", view.command


def _failure_pairs(failure: FailureView) -> Iterator[tuple[str, str]]:
    yield "failed commit", failure.commit
    yield "failed step", failure.step
    yield "error", failure.error
    yield "attempts", str(failure.tries)
    yield "next attempt", _time(failure.next_try)


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""

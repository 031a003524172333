"""Views and events as schemas; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from orchestrator.core.orphans.orphan_audit import AuditResult
from orchestrator.core.suites.suite_plan import SuiteView
from orchestrator.core.views.environment_views import EnvironmentView, FailureView, display_name
from orchestrator.ledger.port import Event
from orchestrator.service.port import ServiceStatus
from orchestrator.surfaces.api import schemas
from programs.runtime_info import RuntimeInfo
from stacks.model import RefKind


def environment(view: EnvironmentView) -> schemas.EnvironmentItem:
    return schemas.EnvironmentItem(
        ref=str(view.ref),
        name=view.name,
        repository=view.repository,
        number=view.key.number if view.key and view.key.kind is RefKind.PULL else None,
        ref_type=str(view.key.kind) if view.key else "",
        ref_name=view.ref_name,
        phase=view.phase.value,
        reasons=list(view.reasons),
        url=view.url,
        urls=dict(view.urls),
        host=view.host,
        target=view.target,
        title=view.title,
        author=view.author,
        branch=view.branch,
        pull_url=view.pull_url,
        commit=view.commit,
        wanted_commit=view.wanted_commit,
        since=view.since,
        ready_at=view.ready_at,
        expires_at=view.expires_at,
        expires_soon=view.expires_soon,
        kept=view.kept,
        rules=list(view.rules),
        sleeps_at=view.sleeps_at,
        asleep_since=view.asleep_since,
        wakes_at=view.wakes_at,
        used_at=view.used_at,
        queue_position=view.queue_position,
        problems=list(view.problems),
        tests=[_suite(each) for each in view.tests],
        repaired=view.repaired,
        images={name: schemas.ImageItem(reference=one.reference, how=one.how) for name, one in view.images.items()},
        failure=_failure(view.failure) if view.failure else None,
        progress=view.progress,
        command=view.command,
    )


def _suite(suite: SuiteView) -> schemas.SuiteItem:
    found = suite.report
    return schemas.SuiteItem(
        name=suite.name,
        kind=suite.kind,
        state=suite.state,
        blocking=suite.blocking,
        seconds=suite.seconds,
        detail=suite.detail,
        tail=list(suite.tail),
        report=schemas.SuiteReport(**{**asdict(found), "names": list(found.names)}) if found else None,
        since=suite.since,
    )


def _failure(failure: FailureView) -> schemas.Failure:
    return schemas.Failure(
        commit=failure.commit,
        step=failure.step,
        error=failure.error,
        tail=list(failure.tail),
        at=failure.at,
        tries=failure.tries,
        next_try=failure.next_try,
    )


def runtime_info(found: RuntimeInfo) -> schemas.RuntimeInfoResponse:
    return schemas.RuntimeInfoResponse(
        processes=[
            schemas.ProcessItem(**{**asdict(item), "restarts": None if item.restarts < 0 else item.restarts})
            for item in found.processes
        ],
        happenings=[schemas.RuntimeEventItem(**asdict(item)) for item in found.events],
    )


def event(item: Event) -> schemas.EventItem:
    return schemas.EventItem(
        id=item.id,
        at=item.at,
        kind=item.kind,
        subject=item.subject,
        message=item.message,
        actor=item.actor,
        data=dict(item.data),
    )


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
    )


def audit(found: AuditResult) -> schemas.AuditResponse:
    return schemas.AuditResponse(
        clean=not found.orphans and not found.unread,
        orphans=[
            schemas.OrphanItem(
                kind=each.kind, name=each.name, where=each.location, whose=each.environment, why=each.reason,
                command=each.command, swept=each.sweepable,
            )
            for each in found.orphans
        ],
        unread=list(found.unread),
        looked=dict(found.checked),
    )  # fmt: skip


def why(view: EnvironmentView) -> schemas.Why:
    sentences = list(view.reasons) or [f"The environment is {view.phase.value}."]
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
    yield "queue position", str(view.queue_position) if view.queue_position is not None else ""
    yield "now", view.progress
    for suite in view.tests:
        yield f"tests {suite.name}", f"{suite.state}{f': {suite.detail}' if suite.detail else ''}"
    yield "repaired", view.repaired.removeprefix("repaired at ")
    for problem in view.problems:
        yield "problem", problem
    if view.failure:
        yield from _failure_pairs(view.failure)
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

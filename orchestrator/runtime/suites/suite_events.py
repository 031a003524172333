"""Stores results of suites in the event log: one event per result, with the result in its data."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from orchestrator.core.suites.junit import JUnitReport
from orchestrator.core.suites.suite_results import SuiteOutcome, SuiteResult, SuiteRun
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event, Ledger
from orchestrator.runtime import wording
from orchestrator.runtime.operations.journal import Journal
from stacks.model import StackRef

MAX_EVENTS = 500
TAIL_KEPT = 20
_KINDS = {
    SuiteOutcome.PASSED: EventKind.TESTS_PASSED,
    SuiteOutcome.FAILED: EventKind.TESTS_FAILED,
    SuiteOutcome.SKIPPED: EventKind.TESTS_SKIPPED,
}


def record_started(journal: Journal, run: SuiteRun) -> None:
    journal.record(EventKind.TESTS_STARTED, wording.suites.run(run), str(run.ref))


def record_stopped(journal: Journal, run: SuiteRun) -> None:
    journal.record(EventKind.TESTS_STOPPED, wording.suites.run(run), str(run.ref))


def record_result(journal: Journal, ref: StackRef, result: SuiteResult) -> None:
    journal.record(_KINDS[result.outcome], wording.suites.result(result), str(ref), **_dump(result))


def load_results(ledger: Ledger, ref: StackRef) -> dict[str, SuiteResult]:
    """The newest result of each suite. If the event log is unavailable, there are none, and suites run again."""
    try:
        events = ledger.events(str(ref), limit=MAX_EVENTS, newest=True)
    except Exception:  # noqa: BLE001 - history, never truth
        return {}
    return {result.suite: result for event in events if (result := _load(event)) is not None}


def _dump(result: SuiteResult) -> dict[str, str]:
    report = json.dumps(asdict(result.report)) if result.report else ""
    return {
        "suite": result.suite,
        "commit": result.commit,
        "seconds": f"{result.seconds:.1f}",
        "detail": result.detail,
        "tail": json.dumps(result.tail[-TAIL_KEPT:]),
        "report": report,
        "screenshots": str(result.screenshots),
    }


def _load(event: Event) -> SuiteResult | None:
    verdict = next((verdict for verdict, kind in _KINDS.items() if kind == event.kind), None)
    if verdict is None:
        return None
    try:
        data: dict[str, Any] = dict(event.data)
        report = json.loads(data["report"]) if data["report"] else None
        return SuiteResult(
            suite=data["suite"],
            commit=data["commit"],
            outcome=verdict,
            at=event.at,
            seconds=float(data["seconds"]),
            detail=data["detail"],
            tail=tuple(json.loads(data["tail"])),
            report=JUnitReport(**{**report, "names": tuple(report["names"])}) if report else None,
            screenshots=int(data.get("screenshots", "0")),
        )
    except (KeyError, ValueError, TypeError):
        return None

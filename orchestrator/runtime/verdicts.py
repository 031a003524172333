"""Results of suites in the event log, and back: one event each, the result itself in its data."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from orchestrator.core.junit import Report
from orchestrator.core.reasons import commit
from orchestrator.core.trials import Result, Run, Verdict
from orchestrator.ledger import kinds
from orchestrator.ledger.port import Event, Ledger
from orchestrator.runtime.journal import Journal
from stacks.model import StackRef

NEWEST = 500
TAIL_KEPT = 20
_KINDS = {
    Verdict.PASSED: kinds.TESTS_PASSED,
    Verdict.FAILED: kinds.TESTS_FAILED,
    Verdict.SKIPPED: kinds.TESTS_SKIPPED,
}


def began(journal: Journal, run: Run) -> None:
    journal.tell(kinds.TESTS_STARTED, f"{run.suite} on commit {commit(run.commit)}", str(run.ref))


def stopped(journal: Journal, run: Run) -> None:
    journal.tell(kinds.TESTS_STOPPED, f"{run.suite} on commit {commit(run.commit)}", str(run.ref))


def tell(journal: Journal, ref: StackRef, result: Result) -> None:
    how = f": {result.detail}" if result.detail else ""
    message = f"{result.suite} on commit {commit(result.commit)} {result.verdict} in {result.seconds:.1f} s{how}"
    journal.tell(_KINDS[result.verdict], message, str(ref), **_dump(result))


def recall(ledger: Ledger, ref: StackRef) -> dict[str, Result]:
    """The newest result of each suite; with the event log down, none: what was run is then run again."""
    try:
        events = ledger.events(str(ref), limit=NEWEST, newest=True)
    except Exception:  # noqa: BLE001 - history, never truth
        return {}
    return {result.suite: result for event in events if (result := _load(event)) is not None}


def _dump(result: Result) -> dict[str, str]:
    report = json.dumps(asdict(result.report)) if result.report else ""
    return {
        "suite": result.suite,
        "commit": result.commit,
        "seconds": f"{result.seconds:.1f}",
        "detail": result.detail,
        "tail": json.dumps(result.tail[-TAIL_KEPT:]),
        "report": report,
    }


def _load(event: Event) -> Result | None:
    verdict = next((verdict for verdict, kind in _KINDS.items() if kind == event.kind), None)
    if verdict is None:
        return None
    try:
        data: dict[str, Any] = dict(event.data)
        report = json.loads(data["report"]) if data["report"] else None
        return Result(
            suite=data["suite"],
            commit=data["commit"],
            verdict=verdict,
            at=event.at,
            seconds=float(data["seconds"]),
            detail=data["detail"],
            tail=tuple(json.loads(data["tail"])),
            report=Report(**{**report, "names": tuple(report["names"])}) if report else None,
        )
    except (KeyError, ValueError, TypeError):
        return None

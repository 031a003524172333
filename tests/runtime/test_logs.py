"""What ephd writes to its log. Row: P7."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.ledger.observed_ledger import ObservedLedger
from orchestrator.ledger.port import Event
from orchestrator.runtime.server import logs

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


def _event(kind: EventKind = EventKind.ENVIRONMENT_CREATED, message: str = "built in 2 s", actor: str = "eph") -> Event:
    return Event(kind, NOW, "eph-shop/pr-7", message, actor, {"seconds": "2.1", "target": "local"})


def test_one_line_of_text_per_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "info")
    logs.log_event(_event())
    logs.log_event(_event(EventKind.INTENT_RETRY, "", "grace"))
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("INFO eph.events environment.created eph-shop/pr-7: built in 2 s")
    assert second.endswith("INFO eph.events intent.retry eph-shop/pr-7 (by grace)")


def test_json_keeps_the_fields_apart(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logs.log_event(_event(EventKind.ENVIRONMENT_FAILED, 'a "quoted"\nsecond line'))
    [line] = capsys.readouterr().err.splitlines()
    written = json.loads(line)
    assert written["level"] == "warning"
    assert written["event"] == "environment.failed"
    assert written["subject"] == "eph-shop/pr-7"
    assert written["message"] == 'a "quoted"\nsecond line'
    assert written["data.seconds"] == "2.1"


def test_what_a_repository_writes_cannot_look_like_another_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "info")
    logs.log_event(_event(message="failed\n2026-05-01 INFO eph all is well\x1b[2K"))
    [line] = capsys.readouterr().err.splitlines()
    assert "\\n2026-05-01 INFO eph all is well\\x1b[2K" in line


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "warning")
    logs.log_event(_event())
    logs.log_event(_event(EventKind.ENVIRONMENT_FAILED))
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_exceptions_are_part_of_the_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("eph").exception("it failed")
    [line] = capsys.readouterr().err.splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_an_observed_ledger_keeps_what_it_shows() -> None:
    seen = list[Event]()
    ledger = ObservedLedger(MemoryLedger(), (seen.append,))
    ledger.record(_event())
    assert [event.kind for event in ledger.events()] == [event.kind for event in seen] == ["environment.created"]

"""What ephd publishes of running operations for the gateway's pages: P3, S4, L4."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.model.world import RunningOperation
from orchestrator.service.output import published_output
from orchestrator.service.output.published_output import PublishedOutput
from programs.steps import StepEvent, StepEventKind
from stacks.executors.fake import FakeExecutor
from stacks.model import OperationVerb, StackRef

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
REF = StackRef("eph-shop-1", "pr-7")
COMMIT = "c" * 40


class Ephd:
    """One environment, whose operation prints what a test lets it print."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "gateway" / "output.json"
        self.executor = FakeExecutor()
        self.clock = [NOW.timestamp()]
        self.output = PublishedOutput(
            path=self.file,
            running=dict,
            read_steps=self.executor.steps,
            redact=lambda line: line.replace("hunter2", "[secret]"),
            now=lambda: self.clock[0],
        )

    def print(self, step: str, kind: StepEventKind, *lines: str, at: float = 1.0, ok: bool = True) -> None:
        event = StepEvent(kind, step, NOW.timestamp() + at, lines, 2.5 if kind is StepEventKind.ENDED else 0.0, ok)
        self.executor.step_events.setdefault(REF, []).append((COMMIT, event))

    def publish(self, verb: OperationVerb = OperationVerb.UP, started: datetime = NOW) -> dict[str, Any]:
        self.output.publish({REF: RunningOperation(REF, verb, COMMIT, started, name="shop-x-7")})
        return self.published()

    def published(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text())["environments"].get("shop-x-7", {}))


@pytest.fixture
def ephd(tmp_path: Path) -> Ephd:
    return Ephd(tmp_path)


def test_output_is_published_while_it_is_printed(ephd: Ephd) -> None:
    """P3: the current step and its newest lines, as they come."""
    ephd.print("Checkout", StepEventKind.STARTED)
    ephd.print("Checkout", StepEventKind.ENDED)
    ephd.print("Build", StepEventKind.STARTED)
    ephd.print("Build", StepEventKind.LINES, "one")
    first = ephd.publish()
    assert [(step["step"], step["state"], step["seconds"]) for step in first["steps"]] == [
        ("Checkout", "succeeded", 2.5),
        ("Build", "running", None),
    ]
    assert (first["printed"], first["lines"]) == ("Build", ["one"])
    ephd.print("Build", StepEventKind.LINES, "two")
    assert ephd.publish()["lines"] == ["one", "two"]
    ephd.print("Build", StepEventKind.ENDED, ok=False)
    assert ephd.publish()["steps"][1]["state"] == "failed"


def test_output_of_an_earlier_operation_is_not_shown(ephd: Ephd) -> None:
    ephd.print("Build", StepEventKind.STARTED, at=-300)
    ephd.print("Build", StepEventKind.LINES, "of the first attempt", at=-299)
    assert ephd.publish()["steps"] == []
    ephd.print("Start", StepEventKind.STARTED, at=1)
    assert [step["step"] for step in ephd.publish()["steps"]] == ["Start"]


def test_wake_shows_its_current_step(ephd: Ephd) -> None:
    """Its steps aren't kept, because they would push the build's out."""
    for progress, shown in (("Health check web", ["Health check web"]), ("updating 3 resources", [])):
        running = RunningOperation(REF, OperationVerb.WAKE, COMMIT, NOW, progress=progress, name="shop-x-7")
        ephd.output.publish({REF: running})
        assert [step["step"] for step in ephd.published()["steps"]] == shown


def test_output_is_redacted_plain_and_bounded(ephd: Ephd) -> None:
    """S3 S4: secrets that are newer than the output are removed here; escape sequences are for terminals only."""
    ephd.print("Build", StepEventKind.STARTED)
    ephd.print("Build", StepEventKind.LINES, *map(str, range(1000)), "x" * 5000, "\x1b[31mred hunter2\x1b[0m")
    lines = ephd.publish()["lines"]
    assert len(lines) == published_output.MAX_LINES
    assert len(lines[-2]) == published_output.MAX_LINE_LENGTH
    assert lines[-1] == "red [secret]"
    for number in range(100):
        ephd.print(f"Hook {number}", StepEventKind.STARTED)
        ephd.print(f"Hook {number}", StepEventKind.LINES, "x")
        ephd.print(f"Hook {number}", StepEventKind.ENDED)
    assert len(ephd.publish()["steps"]) == published_output.MAX_STEPS
    assert ephd.file.stat().st_size < 20_000
    assert ephd.file.stat().st_mode & 0o077 == 0


def test_nothing_is_written_while_nothing_changes(ephd: Ephd) -> None:
    """L4, except from time to time, so that a page can tell an outdated file."""
    ephd.publish()
    ephd.file.unlink()
    ephd.clock[0] += 1
    ephd.output.publish({REF: RunningOperation(REF, OperationVerb.UP, COMMIT, NOW, name="shop-x-7")})
    assert not ephd.file.exists()
    ephd.clock[0] += published_output.MAX_AGE
    ephd.publish()
    assert ephd.file.exists()


def test_file_exists_only_while_something_runs(ephd: Ephd) -> None:
    ephd.output.publish({})
    assert not ephd.file.exists()
    ephd.publish(OperationVerb.WAKE)
    assert ephd.file.exists()
    ephd.output.publish({REF: RunningOperation(REF, OperationVerb.DESTROY, COMMIT, NOW, name="shop-x-7")})
    assert not ephd.file.exists()

"""Steps in people's words, and their output (P1, P5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from programs import steps
from programs.steps import StepEvent, StepEventKind, StepName, StepState

AT = 1_700_000_000.0


@pytest.fixture
def heard() -> Iterator[list[StepEvent]]:
    found: list[StepEvent] = []
    steps.listen(found.append)
    yield found
    steps.listen(lambda _: None)


def test_a_step_reports_its_output_duration_and_result(heard: list[StepEvent]) -> None:
    with steps.step(StepName.MIGRATE, "main") as output:
        output.add(["one", "two"])
    with pytest.raises(ValueError, match="no table"), steps.step(StepName.SEED, "main"):
        raise ValueError("no table")
    good, bad = steps.runs(heard, still_running=False)
    assert (good.step, good.state, good.lines) == ("Migrate main", StepState.SUCCEEDED, ["one", "two"])
    assert (bad.step, bad.state, bad.lines) == ("Seed main", StepState.FAILED, [])
    assert good.seconds is not None


def test_endless_output_is_limited_and_its_last_lines_are_kept(heard: list[StepEvent]) -> None:
    """S3: a build that never stops printing can't fill the disk, and people still see how it ended."""
    with steps.step(StepName.BUILD) as output:
        for start in range(0, 200_000, 1000):
            output.add(f"{number} {'x' * 30}" for number in range(start, start + 1000))
        output.add(["y" * 1_000_000, "the end"])
    [run] = steps.runs(heard, still_running=False)
    assert sum(map(len, run.lines)) < 1.2 * steps.MAX_STEP_BYTES
    assert run.lines[0].startswith("0 ")
    assert run.lines[-1] == "the end"
    assert any("omitted" in line for line in run.lines)
    assert max(map(len, run.lines)) == steps.MAX_LINE_LENGTH
    assert max(len(event.to_json()) for event in heard) < 64 * 1024


def test_events_survive_the_wire(heard: list[StepEvent]) -> None:
    with steps.step(StepName.BUILD) as output:
        output.add(["ünïcode 🎉", "\x00\x1b[31m", ""])
    assert [steps.parse(event.to_json()) for event in heard] == heard


@pytest.mark.parametrize("line", ["", "{", "[]", "null", '{"kind":"odd","step":"x","at":1}', '{"kind":"lines"}'])
def test_broken_lines_are_dropped(line: str) -> None:
    """L2: the writer may be killed at any byte."""
    assert steps.parse(line) is None


def test_a_step_without_an_end_is_running_or_was_interrupted() -> None:
    """P1: nothing stays "running" forever after a kill, and the next run of a step isn't mixed with it."""
    began = StepEvent(StepEventKind.STARTED, "Build", AT)
    ended = StepEvent(StepEventKind.ENDED, "Build", AT + 2, seconds=2.0, ok=True)
    assert [run.state for run in steps.runs([began], still_running=True)] == [StepState.RUNNING]
    assert [run.state for run in steps.runs([began], still_running=False)] == [StepState.INTERRUPTED]
    again = steps.runs([began, began, ended], still_running=True)
    assert [run.state for run in again] == [StepState.INTERRUPTED, StepState.SUCCEEDED]
    assert steps.runs([ended], still_running=True) == []


def test_parallel_steps_are_kept_apart(heard: list[StepEvent]) -> None:
    with steps.step(StepName.START, "web") as web, steps.step(StepName.START, "api") as api:
        web.add(["from web"])
        api.add(["from api"])
    assert {run.step: run.lines for run in steps.runs(heard, still_running=False)} == {
        "Start web": ["from web"],
        "Start api": ["from api"],
    }
    lines = list(steps.log_lines(heard))
    assert lines[:2] == ["Start web | from web", "Start api | from api"]
    assert len(lines) == 4


def test_labels_are_told_from_other_progress() -> None:
    assert steps.is_label("Build")
    assert steps.is_label("Health check web")
    assert not steps.is_label("creating command build")
    assert not steps.is_label("Builds")

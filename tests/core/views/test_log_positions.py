"""Positions of lines in logs: they find the same lines later, and never others. Rows: P5, P6."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.views import log_positions
from orchestrator.core.views.log_positions import InvalidPosition
from programs.steps import StepRun, StepState


@pytest.mark.parametrize(
    "text", ["0a1b2c3d:45", "0a1b2c3d:45-60", "services:0a1b2c3d4e5f", "operation", "Migrate main"]
)
def test_a_position_is_read_as_it_is_written(text: str) -> None:
    assert str(log_positions.parse(text)) == text


@pytest.mark.parametrize("text", ["", ":1", "0a1b2c3d:", "0a1b2c3d:1-", "a:1:2", "a:x", "<b>", "x" * 201])
def test_other_text_is_no_position(text: str) -> None:
    with pytest.raises(InvalidPosition):
        log_positions.parse(text)


@pytest.mark.parametrize(
    ("position", "numbers"),
    [
        ("a:2", [2]),
        ("a:2-3", [2, 3]),
        ("a:3-2", [2, 3]),
        ("a:4-9", [4, 5]),
        ("a:6", []),
        ("a:0", []),
        ("a:be", []),
        ("a", [5]),
    ],
)
def test_numbers_of_five_lines(position: str, numbers: list[int]) -> None:
    assert list(log_positions.numbers(log_positions.parse(position), 5)) == numbers


def test_a_label_means_the_newest_failed_run() -> None:
    runs = [
        StepRun("Build", 1.0, StepState.FAILED),
        StepRun("Build", 2.0, StepState.FAILED),
        StepRun("Build", 3.0, StepState.SUCCEEDED),
        StepRun("Start", 4.0, StepState.SUCCEEDED),
    ]
    assert log_positions.find_run(runs, "Build") is runs[1]
    assert log_positions.find_run(runs, "Start") is runs[3]
    assert log_positions.find_run(runs, runs[0].id) is runs[0]
    assert log_positions.find_run(runs[1:], runs[1].id) is runs[1]  # whichever runs are still kept
    assert log_positions.find_run(runs, "Seed") is None
    assert len({run.id for run in runs}) == len(runs)


lines = st.lists(st.sampled_from(["GET /", "GET /cart", "web | GET /", "worker | done", "\ud800"]), max_size=12)


@given(lines, lines, lines)
def test_a_digest_never_finds_another_line(first: list[str], kept: list[str], new: list[str]) -> None:
    """A link to a line that is gone finds nothing."""
    before, after = [*first, *kept], [*kept, *new]
    digests, later = log_positions.digests(before), log_positions.digests(after)
    for digest, line in zip(digests, before, strict=True):
        assert all(after[at] == line for at, found in enumerate(later) if found == digest)


def test_a_digest_finds_its_line_although_earlier_lines_are_gone() -> None:
    before = [f"web | {number}" for number in range(9)]
    mixed = ["worker | busy", *before[4:], "worker | done", "web | 9"]
    assert log_positions.digests(before)[6] == log_positions.digests(mixed)[3]

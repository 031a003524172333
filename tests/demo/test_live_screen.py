"""The demo's table: redrawn in place, whole after a resize, plain lines without a terminal. Issue 18, P5."""

from __future__ import annotations

import io

from rich.console import Console

from orchestrator.core.views.phases import Phase
from orchestrator.demo.live import LiveScreen
from tests.surfaces import sample_views

INTRODUCTION = ["Pull requests   http://127.0.0.1:1"]
CLEARED = "\x1b[2J"


def terminal(width: int = 100) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=width, height=30, legacy_windows=False), out


def test_resized_terminal_is_cleared_and_everything_is_printed_again() -> None:
    console, out = terminal()
    with LiveScreen(console, INTRODUCTION) as screen:
        screen.show([sample_views.view(Phase.READY)])
        assert CLEARED not in out.getvalue()
        console.width = 50
        screen.show([sample_views.view(Phase.READY)])
    after = out.getvalue().partition(CLEARED)[2]
    assert INTRODUCTION[0] in after
    assert "ready" in after


def test_nothing_is_written_while_nothing_changes() -> None:
    console, out = terminal()
    with LiveScreen(console, INTRODUCTION) as screen:
        screen.show([sample_views.view(Phase.READY)])
        before = out.getvalue()
        screen.show([sample_views.view(Phase.READY)])
        assert out.getvalue() == before


def test_without_a_terminal_each_change_is_one_line() -> None:
    out = io.StringIO()
    with LiveScreen(Console(file=out, width=40), INTRODUCTION) as screen:
        for phase in (Phase.CREATING, Phase.CREATING, Phase.READY):
            screen.show([sample_views.view(phase)])
    lines = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["creating", "ready"]
    assert sample_views.BASE.url in lines[-1]

"""Builds share the machine (T1): no more of them than slots, also between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs import steps
from programs.kit import build_slots
from programs.kit.host_settings import HostSettings
from programs.steps import StepEvent, StepEventKind, StepName

HOLD = """
import pathlib, sys, time
from programs.kit import build_slots
from programs.kit.host_settings import HostSettings
with build_slots.acquired(HostSettings(pathlib.Path(sys.argv[1]), build_limit=1)):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def events() -> Iterator[list[StepEvent]]:
    seen: list[StepEvent] = []
    steps.listen(seen.append)
    yield seen
    steps.listen(lambda _: None)


def waits(events: list[StepEvent], kind: StepEventKind) -> int:
    return sum(event.step == StepName.WAIT and event.kind is kind for event in events)


def test_one_slot_per_processor_by_default(tmp_path: Path) -> None:
    assert build_slots.count(HostSettings(tmp_path)) == len(os.sched_getaffinity(0))
    assert build_slots.count(HostSettings(tmp_path, build_limit=7)) == 7


def test_no_more_builds_than_slots_run_at_once(tmp_path: Path, events: list[StepEvent]) -> None:
    """Also if they belong to different targets."""
    local, static = (
        HostSettings(tmp_path / name, build_limit=2, build_slots=tmp_path / "slots") for name in ("a", "b")
    )
    third = threading.Event()

    def build() -> None:
        with build_slots.acquired(static):
            third.set()

    thread = threading.Thread(target=build)
    with build_slots.acquired(static):
        with build_slots.acquired(local):
            thread.start()
            assert not third.wait(0.3)
        assert third.wait(5)
    thread.join(5)
    assert waits(events, StepEventKind.STARTED) == waits(events, StepEventKind.ENDED) == 1


def test_killed_build_frees_its_slot(tmp_path: Path, events: list[StepEvent]) -> None:
    """L2"""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with build_slots.acquired(HostSettings(tmp_path, build_limit=1)):
            pass
    assert waits(events, StepEventKind.STARTED) == 0

"""Builds share the machine (T1): no more of them than slots and memory allow, also between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from programs import steps
from programs.kit import build_memory, build_slots
from programs.kit.host_settings import MEGABYTE, HostSettings
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
        assert third.wait(60)
    thread.join(5)
    assert waits(events, StepEventKind.STARTED) == waits(events, StepEventKind.ENDED) == 1


MACHINE = 1000 * MEGABYTE


def acquire_in_thread(settings: HostSettings, expected: int, started: threading.Event) -> threading.Thread:
    def build() -> None:
        with build_slots.acquired(settings, expected, lambda: MACHINE):
            started.set()

    thread = threading.Thread(target=build)
    thread.start()
    return thread


def test_build_waits_for_memory_that_the_running_one_still_needs(tmp_path: Path, events: list[StepEvent]) -> None:
    """T1: of 1000 MB, 100 must stay free; the running build may grow to 600, and the next one needs 500."""
    settings = HostSettings(tmp_path, build_limit=2, build_spare=100 * MEGABYTE)
    started = threading.Event()
    with build_slots.acquired(settings, 600 * MEGABYTE, lambda: MACHINE):
        thread = acquire_in_thread(settings, 500 * MEGABYTE, started)
        assert not started.wait(0.3)
    assert started.wait(20)
    thread.join(20)
    [line] = [line for event in events if event.step == StepName.WAIT for line in event.lines]
    assert "500 MB" in line
    assert "300 MB" in line


def test_what_a_build_uses_already_is_not_counted_twice(tmp_path: Path, events: list[StepEvent]) -> None:
    settings = HostSettings(tmp_path, build_limit=2, build_spare=100 * MEGABYTE)
    started = threading.Event()
    with build_slots.acquired(settings, 600 * MEGABYTE, lambda: MACHINE) as slot:
        slot.report(400 * MEGABYTE)
        acquire_in_thread(settings, 500 * MEGABYTE, started).join(20)
        assert started.is_set()


@pytest.mark.parametrize("spare", [0, 100 * MEGABYTE])
def test_a_build_that_is_alone_never_waits_for_memory(tmp_path: Path, events: list[StepEvent], spare: int) -> None:
    """And no build does with ``limits.spare_memory = 0``."""
    settings = HostSettings(tmp_path, build_limit=2, build_spare=spare)
    with build_slots.acquired(settings, 5000 * MEGABYTE, lambda: MACHINE):
        if not spare:
            with build_slots.acquired(settings, 5000 * MEGABYTE, lambda: MACHINE):
                pass
    assert waits(events, StepEventKind.STARTED) == 0


def test_estimate_is_the_largest_of_the_newest_builds(tmp_path: Path) -> None:
    settings = HostSettings(tmp_path)
    assert build_memory.estimate(settings, "42") == build_memory.estimate(settings, "") == build_memory.DEFAULT
    for peak in (900, 100, 200, 300, 0, 250):
        build_memory.record(settings, "42", peak * MEGABYTE)
    assert build_memory.estimate(settings, "42") == 900 * MEGABYTE
    for peak in (100, 10, 10, 10, 10, 10):
        build_memory.record(settings, "42", peak * MEGABYTE)
    assert build_memory.estimate(settings, "42") == build_memory.MINIMUM
    assert build_memory.estimate(replace(settings, memory_bytes=50), "42") == 50
    (tmp_path / "build-memory" / "42.json").write_text("{")
    assert build_memory.estimate(settings, "42") == build_memory.DEFAULT


def test_memory_of_all_descendants_is_measured() -> None:
    """T1: as the shell of a build has children, which have children."""
    code = "import subprocess, sys; block = bytearray(80_000_000); print('ready', flush=True); sys.stdin.read()"
    reported = threading.Event()
    with (
        build_memory.measuring(lambda used: reported.set() if used > 80_000_000 else None) as peak,
        subprocess.Popen(
            ["sh", "-c", f'{sys.executable} -c "$0"; true', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as shell,
    ):
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"ready\n"
        assert reported.wait(30)
        shell.communicate()
    assert peak() > 80_000_000


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

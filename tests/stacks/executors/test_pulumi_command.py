"""The ``pulumi`` command of one operation, with small scripts in its place.

Pitfalls: no handle on the child (pulumi #9103); a byte that isn't UTF-8 crashes the SDK's reader and the call never
returns; all output is kept in memory; ten processes where two would do.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pulumi.automation import CommandError, CommandResult

from stacks import process_identity
from stacks.operations import pulumi_command
from stacks.operations.pulumi_command import Interrupted, OperationCommand


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> OperationCommand:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return OperationCommand("3.259.0", lines.append, last_words=0.2)


def write_pulumi_script(folder: Path, text: str) -> None:
    (folder / "pulumi").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "pulumi").chmod(0o755)


def test_what_needs_no_process_starts_none(pulumi: OperationCommand, tmp_path: Path) -> None:
    write_pulumi_script(tmp_path, "exit 9")
    for args in (["stack", "select", "pr-1"], ["stack", "output", "--json"], ["stack", "history", "--json"]):
        assert pulumi.run(args, str(tmp_path), {}).code == 0
    assert pulumi.processes_started == 0


def test_created_stack_is_not_selected(pulumi: OperationCommand, tmp_path: Path) -> None:
    """Otherwise each leaves a file in PULUMI_HOME/workspaces forever (pulumi #8186)."""
    write_pulumi_script(tmp_path, 'echo "$@"')
    assert pulumi.run(["stack", "init", "pr-1"], str(tmp_path), {}).stdout == (
        "--non-interactive stack init pr-1 --no-select"
    )
    assert pulumi.processes_started == 1


def test_any_bytes_and_any_length(pulumi: OperationCommand, tmp_path: Path, lines: list[str]) -> None:
    """Read to the end, kept in part; both streams at once."""
    write_pulumi_script(
        tmp_path, "printf '\\377\\376 no utf-8\\n'; head -c 10000000 /dev/zero; echo; echo last; echo why >&2; exit 3"
    )
    with pytest.raises(CommandError) as raised:
        pulumi.run(["up"], str(tmp_path), {})
    assert "\ufffd\ufffd no utf-8" in lines
    assert "last" in lines
    assert "why" in str(raised.value)
    assert max(map(len, lines)) <= pulumi_command.MAX_LINE_LENGTH
    assert len(str(raised.value)) <= 2 * pulumi_command.KEPT_LINES * pulumi_command.MAX_LINE_LENGTH


def test_child_that_holds_the_pipe_blocks_nothing(pulumi: OperationCommand, tmp_path: Path) -> None:
    """A plugin that survives a killed pulumi."""
    write_pulumi_script(tmp_path, "sleep 60 & echo $! >child; echo done; kill -9 $$")
    with pytest.raises(CommandError):
        pulumi.run(["up"], str(tmp_path), {})
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)  # fails if the call waited for its end


COUNTING = "trap 'echo int >>ints; sleep 0.2; exit {code}' INT; touch up; while :; do sleep 0.02; done"


@pytest.fixture
def sigint_enabled() -> Iterator[None]:
    """Background processes ignore SIGINT, and a shell below them can't trap it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint_enabled")
@pytest.mark.parametrize("code", [8, 0])
def test_an_interrupt_is_sent_once(pulumi: OperationCommand, tmp_path: Path, code: int) -> None:
    """A second SIGINT would end pulumi immediately, with its state unsaved. If it succeeds anyway, that is a success;
    no further process is started in either case."""
    write_pulumi_script(tmp_path, COUNTING.format(code=code))
    ended: list[CommandResult | Exception] = []

    def run() -> None:
        try:
            ended.append(pulumi.run(["up"], str(tmp_path), {}))
        except Interrupted as why:
            ended.append(why)

    thread = threading.Thread(target=run)
    thread.start()
    while not (tmp_path / "up").exists():
        thread.join(0.01)
    pulumi.interrupt(timed_out=True)
    thread.join(0.05)
    pulumi.interrupt()
    thread.join()
    assert (tmp_path / "ints").read_text() == "int\n"
    assert isinstance(ended[0], CommandResult if code == 0 else Interrupted)
    assert (pulumi.interrupted, pulumi.timed_out) == (True, True)
    with pytest.raises(Interrupted):
        pulumi.run(["destroy"], str(tmp_path), {})
    assert pulumi.processes_started == 1


def test_nothing_starts_after_the_lease_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """O2: not by a leader that was paused meanwhile, and renewals count."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    write_pulumi_script(tmp_path, "exit 0")
    now = process_identity.boot_clock()
    leased = OperationCommand("3.259.0", lambda _: None, lease_until=now + 60)
    leased.check_may_continue()
    assert leased.run(["up"], str(tmp_path), {}).code == 0
    over = OperationCommand("3.259.0", lambda _: None, lease_until=now - 1)
    with pytest.raises(Interrupted):
        over.run(["up"], str(tmp_path), {})
    assert (over.processes_started, over.lease_expired, over.interrupted) == (0, True, True)
    renewed = OperationCommand("3.259.0", lambda _: None, lease_until=now - 1)
    renewed.extend_lease(now + 60)
    renewed.extend_lease(now - 2)
    renewed.check_may_continue()
    assert not renewed.lease_expired
    alone = OperationCommand("3.259.0", lambda _: None)
    alone.extend_lease(now - 1)
    alone.check_may_continue()

"""Commands inside environments as processes: output, input, limits, and that nothing stays (issue 15, P11)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.service.exec.exec_port import ExecEnded, ExecEvent, ExecOutput, ExecSessionNotFound, ExecStarted
from orchestrator.service.exec.exec_sessions import ExecSessions
from orchestrator.service.port import TemporarilyUnavailable
from programs.exec_requests import ExecProcess, TerminalSize
from programs.kit.processes import process_table
from programs.redaction import Redactor

SH = ("/bin/sh", "-c")


@pytest.fixture
def sessions() -> Iterator[ExecSessions]:
    """Like ephd, with a handler for SIGINT. In the background of a shell it is ignored, in every program started from
    there, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield ExecSessions(Redactor(["hunter2-secret"]), timeout=20)
    signal.signal(signal.SIGINT, before)


def command(*argv: str) -> ExecProcess:
    return ExecProcess(argv)


def texts(events: list[ExecEvent], stream: str) -> str:
    return "".join(each.text for each in events if isinstance(each, ExecOutput) and each.stream == stream)


async def started(events: AsyncGenerator[ExecEvent]) -> str:
    first = await anext(events)
    assert isinstance(first, ExecStarted)
    return first.session


async def until(problem: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while problem():
            await asyncio.sleep(0.01)


async def test_both_streams_and_the_exit_status(sessions: ExecSessions) -> None:
    found = [each async for each in sessions.run(command(*SH, "echo out; echo err >&2; exit 3"), "ada")]
    assert (texts(found, "stdout"), texts(found, "stderr"), found[-1]) == ("out\n", "err\n", ExecEnded(3))


async def test_input_is_passed_on_until_it_ends(sessions: ExecSessions) -> None:
    events = sessions.run(command(*SH, "tr a-z A-Z"), "ada")
    session = await started(events)
    for data, end in ((b"one\n", False), (b"two", True)):
        await sessions.write(session, data, end, "ada")
    rest = [each async for each in events]
    assert (texts(rest, "stdout"), rest[-1]) == ("ONE\nTWO", ExecEnded(0))


async def test_only_the_caller_sends_input_and_only_while_it_runs(sessions: ExecSessions) -> None:
    events = sessions.run(command(*SH, "cat"), "ada")
    session = await started(events)
    with pytest.raises(ExecSessionNotFound):
        await sessions.write(session, b"x", False, "bob")
    await sessions.write(session, b"", True, "ada")
    assert [each async for each in events] == [ExecEnded(0)]
    with pytest.raises(ExecSessionNotFound):
        await sessions.write(session, b"x", False, "ada")


async def test_a_prompt_without_a_line_end_is_shown(sessions: ExecSessions) -> None:
    events = sessions.run(command(*SH, "printf 'name? '; read name; echo hello $name"), "ada")
    session = await started(events)
    assert await anext(events) == ExecOutput("stdout", "name? ")
    await sessions.write(session, b"ada\n", True, "ada")
    assert texts([each async for each in events], "stdout") == "hello ada\n"


async def test_secrets_are_redacted_even_if_they_arrive_in_parts(sessions: ExecSessions) -> None:
    script = "printf hunter2; printf -- '-secret\\n'"
    found = [each async for each in sessions.run(command(*SH, script), "ada")]
    assert texts(found, "stdout") == "***\n"


async def test_closing_the_output_kills_the_whole_session(sessions: ExecSessions, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    script = f"(while :; do touch {alive}; sleep 0.02; done) & echo up; wait"
    events = sessions.run(command(*SH, script), "ada")
    await started(events)
    assert await anext(events) == ExecOutput("stdout", "up\n")
    await until(lambda: not alive.exists())
    await events.aclose()
    alive.unlink(missing_ok=True)
    await asyncio.sleep(0.1)
    assert not alive.exists()


async def test_a_command_that_runs_for_too_long_is_stopped() -> None:
    sessions = ExecSessions(str, timeout=0.2)
    found = [each async for each in sessions.run(command(*SH, "sleep 600"), "ada")]
    assert found[-1] == ExecEnded(None)


async def test_the_number_of_commands_is_limited() -> None:
    sessions = ExecSessions(str, limit=1)
    async with contextlib.aclosing(sessions.run(command(*SH, "cat"), "ada")) as events:
        await started(events)
        with pytest.raises(TemporarilyUnavailable):
            sessions.check_capacity()
    sessions.check_capacity()


async def test_a_slow_reader_makes_the_command_wait(sessions: ExecSessions, tmp_path: Path) -> None:
    """Output isn't collected without limit: the file is written only after all was read."""
    done = tmp_path / "done"
    events = sessions.run(command(*SH, f"head -c 3000000 /dev/zero | tr '\\0' 'x'; touch {done}"), "ada")
    await started(events)
    await asyncio.sleep(0.2)
    assert not done.exists()
    assert sum([len(each.text) async for each in events if isinstance(each, ExecOutput)]) == 3_000_000
    assert done.exists()


async def test_bytes_that_are_no_text_and_split_characters(sessions: ExecSessions) -> None:
    found = [each async for each in sessions.run(command(*SH, r"printf '\303'; sleep 0.2; printf '\244\377\n'"), "ada")]
    assert texts(found, "stdout") == "ä\N{REPLACEMENT CHARACTER}\n"


# --- In a terminal

IN_TERMINAL = ("setsid", "--ctty", "--wait", *SH)
"""As a target runs it: the terminal controls the session."""


async def read_until(events: AsyncGenerator[ExecEvent], text: str) -> str:
    seen = ""
    async with asyncio.timeout(10):
        while text not in seen:
            event = await anext(events)
            assert isinstance(event, ExecOutput), f"it ended after {seen!r}"
            seen += event.text
    return seen


def open_terminals() -> int:
    links = Path("/proc/self/fd").iterdir()
    return sum(path.is_symlink() and "/pt" in str(path.readlink()) for path in links)


async def test_a_terminal_has_a_size_and_reports_a_new_one(sessions: ExecSessions) -> None:
    script = "trap 'stty size' WINCH; tty -s && stty size; while :; do sleep 0.02; done"
    events = sessions.run(command(*IN_TERMINAL, script), "ada", TerminalSize(31, 97))
    session = await started(events)
    await read_until(events, "31 97\r\n")
    sessions.resize(session, TerminalSize(12, 40), "ada")
    await read_until(events, "12 40\r\n")
    with pytest.raises(ExecSessionNotFound):
        sessions.resize(session, TerminalSize(1, 1), "bob")
    await events.aclose()


async def test_a_shell_that_ignores_the_end_of_its_terminal_ends(sessions: ExecSessions) -> None:
    """As all programs do if ephd was started with nohup."""
    events = sessions.run(command(*IN_TERMINAL, "trap '' HUP; echo $$.; sleep 30"), "ada", TerminalSize())
    await started(events)
    pid = int((await read_until(events, ".")).partition(".")[0])
    await events.aclose()
    await until(lambda: process_table.is_alive(pid))


async def test_a_command_without_a_terminal_has_no_size(sessions: ExecSessions) -> None:
    events = sessions.run(command(*SH, "cat"), "ada")
    with pytest.raises(ExecSessionNotFound):
        sessions.resize(await started(events), TerminalSize(1, 1), "ada")
    await events.aclose()


async def test_a_terminal_echoes_and_ctrl_c_interrupts_what_runs(sessions: ExecSessions) -> None:
    events = sessions.run(
        command(*IN_TERMINAL, "trap 'echo caught; exit 5' INT; echo up; while :; do sleep 0.05; done"),
        "ada",
        TerminalSize(),
    )
    session = await started(events)
    await read_until(events, "up\r\n")
    await sessions.write(session, b"typed\n", False, "ada")
    await read_until(events, "typed\r\n")
    await sessions.write(session, b"\x03", False, "ada")
    rest = [each async for each in events]
    assert "caught" in texts(rest, "stdout")
    assert rest[-1] == ExecEnded(5)


async def test_the_end_of_the_input_ends_a_program_in_a_terminal(sessions: ExecSessions) -> None:
    events = sessions.run(command(*IN_TERMINAL, "cat"), "ada", TerminalSize())
    await sessions.write(await started(events), b"", True, "ada")
    assert [each async for each in events][-1] == ExecEnded(0)


async def test_a_background_process_does_not_keep_a_terminal_open(sessions: ExecSessions) -> None:
    script = "trap '' HUP; sleep 30 & echo done"
    async with asyncio.timeout(10):
        found = [each async for each in sessions.run(command(*IN_TERMINAL, script), "ada", TerminalSize())]
    assert (texts(found, "stdout"), found[-1]) == ("done\r\n", ExecEnded(0))


async def test_much_input_to_a_program_that_does_not_read_ends_with_it(sessions: ExecSessions) -> None:
    events = sessions.run(command(*IN_TERMINAL, "stty raw -echo; echo up; sleep 0.3"), "ada", TerminalSize())
    session = await started(events)
    await read_until(events, "up")
    writing = asyncio.create_task(sessions.write(session, b"x" * 200_000, False, "ada"))
    assert [each async for each in events][-1] == ExecEnded(0)
    async with asyncio.timeout(5):
        await writing


async def test_secrets_in_a_part_of_a_terminals_output_are_redacted(sessions: ExecSessions) -> None:
    found = [each async for each in sessions.run(command(*IN_TERMINAL, "echo hunter2-secret"), "ada", TerminalSize())]
    assert texts(found, "stdout") == "***\r\n"


async def test_a_command_that_cannot_start_leaves_no_terminal(sessions: ExecSessions) -> None:
    before = open_terminals()
    with pytest.raises(FileNotFoundError):
        await anext(sessions.run(command("/nowhere/at/all"), "ada", TerminalSize()))
    assert open_terminals() == before


async def test_a_raw_terminal_passes_on_what_is_typed_before_the_command_reads(sessions: ExecSessions) -> None:
    """The command stands for one that starts slowly, and passes everything on to a terminal elsewhere."""
    slow = ExecProcess((*SH, "read wait < /dev/stdin; cat"), raw_terminal=True)
    events = sessions.run(slow, "ada", TerminalSize())
    session = await started(events)
    await sessions.write(session, b"\nls\r\x03\x04", False, "ada")
    seen = ""
    async with asyncio.timeout(20):
        while "ls\r\x03\x04" not in seen:
            event = await anext(events)
            assert isinstance(event, ExecOutput)
            seen += event.text
    assert seen == "ls\r\x03\x04", "neither echoed nor interpreted here"
    await events.aclose()


async def test_a_command_is_told_before_it_is_killed(sessions: ExecSessions, tmp_path: Path) -> None:
    """What it started elsewhere, it can end. Without that, it is killed at once."""
    told = tmp_path / "told"
    script = f"trap 'echo > {told}; exit' TERM; echo up; while :; do sleep 0.05; done"
    for seconds, expected in ((0.0, False), (15.0, True)):
        events = sessions.run(ExecProcess((*SH, script), stop_seconds=seconds), "ada")
        await started(events)
        assert await anext(events) == ExecOutput("stdout", "up\n")
        await events.aclose()
        assert told.exists() is expected

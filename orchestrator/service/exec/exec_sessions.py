"""Runs people's commands inside environments: each is a process of its own session, with limits on number and time.

A session belongs to its caller, and ends with the connection that reads its output. Output is redacted line by line. A
line without an end is passed on after a moment, because it may be a prompt; a secret that a program prints in two parts
isn't found then. A terminal has no lines: each part is redacted as it arrives. Anyone who may run commands can read
what the service can read.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.service.exec import wording
from orchestrator.service.exec.exec_port import ExecEnded, ExecEvent, ExecOutput, ExecSessionNotFound, ExecStarted
from orchestrator.service.exec.terminals import END_OF_INPUT, Terminal
from orchestrator.service.port import TemporarilyUnavailable
from programs.exec_requests import ExecProcess, TerminalSize
from programs.kit.processes import process_table

CHUNK = 16 * 1024
MAX_WAITING = 64
"""Parts of output that wait for a slow client. After that the command waits."""
PROMPT_SECONDS = 0.1
TERMINAL_GRACE = 1.0
"""Seconds for what a terminal still contains when its command has ended: a child of it may keep the terminal open."""
StreamName = Literal["stdout", "stderr"]
ReadPart = Callable[[int], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class _Session:
    by: str
    process: asyncio.subprocess.Process
    terminal: Terminal | None = None
    output: asyncio.Queue[ExecOutput] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))


class ExecSessions:
    """For one event loop. ``limit``: how many commands run at once; ``timeout``: how long each may run, in seconds."""

    def __init__(self, redact: Callable[[str], str], timeout: float = 3600.0, limit: int = 20) -> None:
        self._redact, self._timeout, self._limit = redact, timeout, limit
        self._sessions: dict[str, _Session] = {}

    def check_capacity(self) -> None:
        if len(self._sessions) >= self._limit:
            raise TemporarilyUnavailable(wording.too_many_commands(self._limit))

    async def run(
        self, command: ExecProcess, by: str, terminal_size: TerminalSize | None = None
    ) -> AsyncGenerator[ExecEvent]:
        """``terminal_size``: the command's standard streams are a terminal of that size."""
        self.check_capacity()
        terminal = Terminal(terminal_size, raw=command.raw_terminal) if terminal_size else None
        try:
            process = await _start(command, terminal.theirs if terminal else asyncio.subprocess.PIPE)
        except BaseException:
            if terminal:
                terminal.close()
            raise
        finally:
            if terminal:
                terminal.hand_over()
        name, session = uuid.uuid4().hex, _Session(by, process, terminal)
        self._sessions[name] = session
        ending = asyncio.create_task(self._until_ended(session))
        try:
            yield ExecStarted(name)
            while not (ending.done() and session.output.empty()):
                for item in await _next_items(session.output, ending):
                    yield item
            yield ExecEnded(ending.result())
        finally:
            del self._sessions[name]
            await _stop(process, command.stop_seconds)
            ending.cancel()
            await asyncio.gather(ending, process.wait(), return_exceptions=True)
            if terminal:
                terminal.close()

    async def write(self, session: str, data: bytes, end: bool, by: str) -> None:
        """Raises ExecSessionNotFound. ``end``: nothing more follows. Input that the command doesn't read is lost."""
        found = self._find(session, by)
        if found.terminal is not None:
            await found.terminal.write(data + (END_OF_INPUT if end else b""))
        if found.process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            found.process.stdin.write(data)
            await found.process.stdin.drain()
            if end:
                found.process.stdin.close()

    def resize(self, session: str, size: TerminalSize, by: str) -> None:
        """Raises ExecSessionNotFound, also if it has no terminal."""
        terminal = self._find(session, by).terminal
        if terminal is None:
            raise ExecSessionNotFound(wording.no_exec_session(session))
        terminal.resize(size)

    def _find(self, session: str, by: str) -> _Session:
        found = self._sessions.get(session)
        if found is None or found.by != by:
            raise ExecSessionNotFound(wording.no_exec_session(session))
        return found

    async def _until_ended(self, session: _Session) -> int | None:
        """Its exit status, once its output is read completely."""
        process = session.process
        reading = [asyncio.create_task(self._read(session, name, read)) for name, read in _streams(session)]
        try:
            async with asyncio.timeout(self._timeout):
                if session.terminal is None:
                    await asyncio.gather(*reading)
                code = await process.wait()
                await asyncio.wait(reading, timeout=TERMINAL_GRACE)
                return code
        except TimeoutError:
            return None
        finally:
            for task in reading:
                task.cancel()

    async def _read(self, session: _Session, name: StreamName, read: ReadPart) -> None:
        decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
        by_line = session.terminal is None
        pending = asyncio.ensure_future(read(CHUNK))
        try:
            while True:
                done, _ = await asyncio.wait({pending}, timeout=PROMPT_SECONDS if rest else None)
                data = pending.result() if done else b""
                ended = bool(done) and not data
                whole, rest = _split(rest + decoder.decode(data, final=ended), keep=by_line and bool(data))
                if whole:
                    await session.output.put(ExecOutput(name, self._redact(whole)))
                if ended:
                    return
                if done:
                    pending = asyncio.ensure_future(read(CHUNK))
        finally:
            pending.cancel()


async def _start(command: ExecProcess, stream: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command.argv,
        stdin=stream,
        stdout=stream,
        stderr=stream,
        env={"PATH": os.defpath} if command.env is None else command.env,
        cwd="/",
        start_new_session=True,
    )


def _streams(session: _Session) -> list[tuple[StreamName, ReadPart]]:
    if session.terminal is not None:
        return [("stdout", session.terminal.read)]
    streams: list[tuple[StreamName, asyncio.StreamReader | None]] = [
        ("stdout", session.process.stdout),
        ("stderr", session.process.stderr),
    ]
    return [(name, stream.read) for name, stream in streams if stream]


def _split(text: str, keep: bool) -> tuple[str, str]:
    """The part to pass on, and the rest, which ``keep`` holds back until its line ends or becomes too long."""
    cut = text.rfind("\n") + 1 if keep and len(text) < CHUNK else len(text)
    return text[:cut], text[cut:]


async def _next_items(output: asyncio.Queue[ExecOutput], ending: asyncio.Task[int | None]) -> list[ExecOutput]:
    getting = asyncio.create_task(output.get())
    await asyncio.wait({getting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if getting.done():
        return [getting.result()]
    getting.cancel()
    await asyncio.gather(getting, return_exceptions=True)
    return []


async def _stop(process: asyncio.subprocess.Process, seconds: float) -> None:
    """With everything that it started, in other sessions, too: a shell may ignore that its terminal closes."""
    if seconds and process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)
    family = process_table.descendants(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

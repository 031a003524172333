"""One suite as a process: a group and a session of its own, a deadline, its output bounded and without secrets.

Whatever happens, the whole session is gone when ``run`` returns. A record on disk says who it is, so that the next life
of ephd ends what this one left running. Its last lines are for people, the log file for who wants more; both are
scrubbed line by line, before anything is written.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from programs.concealing import Veil, redact
from stacks import processes
from stacks.processes import Identity

MARK = "EPH_SUITE_RUN"
TAIL_LINES = 40
LONGEST_LINE = 2000
LOG_BYTES = 2 * 1024 * 1024
CHUNK = 64 * 1024
LAST_WORDS = 1.0
"""Seconds in which what was still in the pipe is read after the command ended."""
SKIPPED = 77
"""The exit status by which a suite says that it cannot run here; its last line says why."""
_RUNNING = "running.json"


@dataclass(frozen=True, slots=True)
class Started:
    """What to run: ``folder`` takes its log and its record; ``secrets`` are never written anywhere."""

    argv: Sequence[str]
    name: str
    mark: str
    folder: Path
    timeout: float
    secrets: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        return log_file(self.folder, self.name)


@dataclass(frozen=True, slots=True)
class Ended:
    """``code`` None: its time was up."""

    code: int | None
    seconds: float
    tail: tuple[str, ...]


def log_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"


async def run(what: Started) -> Ended:
    """Until it ended, its deadline passed, or this was cancelled."""
    what.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    began = monotonic()
    process = await asyncio.create_subprocess_exec(
        *what.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={MARK: what.mark, "PATH": os.defpath},
        cwd="/",
        start_new_session=True,
    )
    record = what.folder / f"{what.name}.{_RUNNING}"
    output = _Output(what.log, what.secrets)
    reading = asyncio.create_task(_read(process, output))
    try:
        _write(record, what.mark, processes.identify(process.pid))
        code = await _until_ended(process, what.timeout)
        # A child left in the background may hold the pipe open: the command's own end is what counts.
        await asyncio.wait({reading}, timeout=LAST_WORDS)
        seconds = monotonic() - began
    finally:
        await asyncio.shield(_finish(process, reading, what.mark))
        record.unlink(missing_ok=True)
        output.close()
    return Ended(code, seconds, output.tail())


async def _until_ended(process: asyncio.subprocess.Process, seconds: float) -> int | None:
    try:
        async with asyncio.timeout(seconds):
            return await process.wait()
    except TimeoutError:
        return None


async def _finish(process: asyncio.subprocess.Process, reading: asyncio.Task[None], mark: str) -> None:
    """All of it is ended, so the pipe ends too, and with its end it is closed."""
    await asyncio.to_thread(_end, process.pid, mark)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    await asyncio.wait({reading}, timeout=LAST_WORDS)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def _read(process: asyncio.subprocess.Process, output: _Output) -> None:
    while process.stdout is not None and (data := await process.stdout.read(CHUNK)):
        output.feed(data)


def _end(session: int, mark: str) -> None:
    """Everything in the session, and what left it with our mark; one may fork while the others are being ended."""
    for _ in range(50):
        members = {*processes.session_members(session), *(processes.marked(MARK, mark) if mark else ())}
        alive = [found for pid in members if (found := processes.identify(pid)) is not None]
        if not alive:
            return
        for identity in alive:
            processes.send(identity.pid, signal.SIGKILL)
        for identity in alive:
            processes.wait_gone(identity, 0.2)


class _Output:
    """The end of what a suite printed, and a log that stops growing."""

    def __init__(self, log: Path, secrets: tuple[str, ...]) -> None:
        self._file = log.open("w", errors="replace")
        log.chmod(0o600)
        self._room = LOG_BYTES
        self._veil = Veil(secrets)
        self._lines: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._rest = ""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data.decode(errors="replace")).split("\n")
        for line in whole:
            self._take(line)
        # Twice what is kept: a secret that the cut goes through is then beyond what is shown.
        self._rest = self._rest[: 2 * LONGEST_LINE]

    def _take(self, line: str) -> None:
        clean = scrub(line[: 2 * LONGEST_LINE], self._veil)[:LONGEST_LINE]
        self._lines.append(clean)
        if self._room > 0:
            self._file.write(clean + "\n")
            self._room -= len(clean) + 1

    def tail(self) -> tuple[str, ...]:
        if self._rest:
            self._take(self._rest)
            self._rest = ""
        return tuple(self._lines)

    def close(self) -> None:
        self.tail()
        self._file.close()


def scrub(line: str, veil: Veil) -> str:
    """Without the passwords of its URLs, and without what it was trusted with."""
    return redact(veil(line))


# --- what an earlier life left


def recover(operations: Path) -> list[str]:
    """Ends what is recorded as running; gives a word for each that was still alive."""
    ended = []
    for path, mark, identity in _records(operations):
        marked = list(processes.marked(MARK, mark)) if mark else []
        if marked or (identity is not None and processes.alive(identity)):
            ended.append(path.name.removesuffix(f".{_RUNNING}"))
            _end(identity.pid if identity is not None and processes.alive(identity) else -1, mark)
        path.unlink(missing_ok=True)
    return ended


def _records(operations: Path) -> Iterator[tuple[Path, str, Identity | None]]:
    for path in operations.glob(f"*/*/tests/*.{_RUNNING}"):
        try:
            data = json.loads(path.read_text())
            yield path, str(data["mark"]), Identity(**data["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            yield path, "", None


def _write(path: Path, mark: str, identity: Identity | None) -> None:
    if identity is None:
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"mark": mark, "identity": dataclasses.asdict(identity)}))
    fresh.replace(path)

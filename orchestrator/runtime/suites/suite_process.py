"""Runs one suite as a process: its own process group and session, a deadline, and limited output without secrets.

The whole session is always gone when ``run`` returns. A record on disk contains its identity, so that the next ephd can
kill what this one left running. Both the last lines and the log file are redacted line by line before anything is
written.
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

from programs.kit import files
from programs.redaction import Redactor, redact
from stacks import process_identity
from stacks.process_identity import ProcessIdentity

RUN_ID = "EPH_SUITE_RUN"
TAIL_LINES = 40
MAX_LINE = 2000
LOG_BYTES = 2 * 1024 * 1024
CHUNK = 64 * 1024
DRAIN_SECONDS = 1.0
"""Seconds for reading the rest of the pipe after the command has exited."""
SKIPPED_EXIT_CODE = 77
"""The exit status that means that a suite can't run here; its last line says why."""
_RUNNING = "running.json"


@dataclass(frozen=True, slots=True)
class SuiteCommand:
    """What to run. ``folder`` is for its log and record; ``secrets`` are never written anywhere."""

    argv: Sequence[str]
    name: str
    run_id: str
    folder: Path
    timeout: float
    secrets: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        return log_path(self.folder, self.name)


@dataclass(frozen=True, slots=True)
class SuiteExit:
    """``code`` is None after a timeout."""

    code: int | None
    seconds: float
    tail: tuple[str, ...]


def log_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"


async def run(command: SuiteCommand) -> SuiteExit:
    """Run until it exits, times out, or is cancelled."""
    command.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    began = monotonic()
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={RUN_ID: command.run_id, "PATH": os.defpath},
        cwd="/",
        start_new_session=True,
    )
    record = command.folder / f"{command.name}.{_RUNNING}"
    output = _Output(command.log, command.secrets)
    reading = asyncio.create_task(_read_output(process, output))
    try:
        _write_record(record, command.run_id, process_identity.identify(process.pid))
        code = await _until_ended(process, command.timeout)
        # A child left in the background may hold the pipe open: the command's own end is what counts.
        await asyncio.wait({reading}, timeout=DRAIN_SECONDS)
        seconds = monotonic() - began
    finally:
        await asyncio.shield(_finish(process, reading, command.run_id))
        record.unlink(missing_ok=True)
        output.close()
    return SuiteExit(code, seconds, output.tail())


async def _until_ended(process: asyncio.subprocess.Process, seconds: float) -> int | None:
    try:
        async with asyncio.timeout(seconds):
            return await process.wait()
    except TimeoutError:
        return None


async def _finish(process: asyncio.subprocess.Process, reading: asyncio.Task[None], run_id: str) -> None:
    """Kill the whole session, which also closes the pipe."""
    await asyncio.to_thread(_kill_session, process.pid, run_id)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    await asyncio.wait({reading}, timeout=DRAIN_SECONDS)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def _read_output(process: asyncio.subprocess.Process, output: _Output) -> None:
    while process.stdout is not None and (data := await process.stdout.read(CHUNK)):
        output.feed(data)


def _kill_session(session: int, run_id: str) -> None:
    """Kill the session, and processes with our mark that left it. Repeats, as a process may fork meanwhile."""
    for _ in range(50):
        members = {
            *process_identity.session_members(session),
            *(process_identity.pids_with_variable(RUN_ID, run_id) if run_id else ()),
        }
        alive = [found for pid in members if (found := process_identity.identify(pid)) is not None]
        if not alive:
            return
        for identity in alive:
            process_identity.send_signal(identity.pid, signal.SIGKILL)
        for identity in alive:
            process_identity.wait_until_gone(identity, 0.2)


class _Output:
    """The end of a suite's output, and a log file of limited size."""

    def __init__(self, log: Path, secrets: tuple[str, ...]) -> None:
        self._file = log.open("w", errors="replace")
        log.chmod(0o600)
        self._remaining = LOG_BYTES
        self._redactor = Redactor(secrets)
        self._lines: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._rest = ""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data.decode(errors="replace")).split("\n")
        for line in whole:
            self._add_line(line)
        # Twice what is kept: a secret that the cut goes through is then beyond what is shown.
        self._rest = self._rest[: 2 * MAX_LINE]

    def _add_line(self, line: str) -> None:
        clean = redact_line(line[: 2 * MAX_LINE], self._redactor)[:MAX_LINE]
        self._lines.append(clean)
        if self._remaining > 0:
            self._file.write(clean + "\n")
            self._remaining -= len(clean) + 1

    def tail(self) -> tuple[str, ...]:
        if self._rest:
            self._add_line(self._rest)
            self._rest = ""
        return tuple(self._lines)

    def close(self) -> None:
        self.tail()
        self._file.close()


def redact_line(line: str, redactor: Redactor) -> str:
    """Remove the passwords of its URLs, and its secrets."""
    return redact(redactor(line))


# --- what an earlier life left


def recover(operations: Path) -> list[str]:
    """Kill what is recorded as running. Returns a name for each process that was still alive."""
    ended = []
    for path, mark, identity in _read_records(operations):
        marked = list(process_identity.pids_with_variable(RUN_ID, mark)) if mark else []
        if marked or (identity is not None and process_identity.is_alive(identity)):
            ended.append(path.name.removesuffix(f".{_RUNNING}"))
            _kill_session(identity.pid if identity is not None and process_identity.is_alive(identity) else -1, mark)
        path.unlink(missing_ok=True)
    return ended


def _read_records(operations: Path) -> Iterator[tuple[Path, str, ProcessIdentity | None]]:
    for path in operations.glob(f"*/*/tests/*.{_RUNNING}"):
        try:
            data = json.loads(path.read_text())
            yield path, str(data["mark"]), ProcessIdentity(**data["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            yield path, "", None


def _write_record(path: Path, run_id: str, identity: ProcessIdentity | None) -> None:
    if identity is not None:
        files.write(path, json.dumps({"mark": run_id, "identity": dataclasses.asdict(identity)}))

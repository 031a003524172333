"""Runs a command in a container and passes its streams on: ``python -m programs.targets.kubernetes.exec.exec_client``.

The request is in a variable. The exit status is the command's; 125 means that the cluster failed, 127 that the program
doesn't exist. On SIGTERM, when the terminal closes, and when the process that started it dies, it first ends what the
command left in the container.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import re
import signal
import sys
import termios
import threading
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
from httpx2.websockets import HTTPXWSException

from programs.targets.kubernetes.api import cluster
from programs.targets.kubernetes.errors import ClusterUnreachable, KubernetesError
from programs.targets.kubernetes.exec import exec_stream, shell_wrapper, wording
from programs.targets.kubernetes.exec.exec_stream import STDERR, ExecResult, ExecStream
from programs.targets.kubernetes.exec.running_pods import PodContainer
from programs.targets.kubernetes.settings import KubernetesSettings

REQUEST_VARIABLE = "REMOTE_COMMAND"
STOP_SECONDS = 10.0
CLUSTER_FAILED, NOT_FOUND, STOPPED = 125, 127, 128 + signal.SIGTERM
CHUNK = 16 * 1024
_PR_SET_PDEATHSIG = 1
_MISSING_PROGRAM = re.compile(r"executable file not found|no such file or directory", re.I)


@dataclass(frozen=True, slots=True)
class RemoteCommand:
    """``terminal`` is the value of TERM if the standard streams are a terminal, or empty."""

    kubeconfig: str
    context: str
    namespace: str
    pod: str
    container: str
    command: tuple[str, ...]
    terminal: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> RemoteCommand:
        data = json.loads(text)
        return RemoteCommand(**{**data, "command": tuple(data["command"])})

    @property
    def place(self) -> PodContainer:
        return PodContainer(self.namespace, self.pod, self.container)


class _Session:
    """One command from start to end. ``stop`` is set when its client is gone."""

    def __init__(self, client: httpx2.AsyncClient, request: RemoteCommand) -> None:
        self._client, self._request = client, request
        self._mark = uuid.uuid4().hex
        self._started = asyncio.Event()
        self.stop = asyncio.Event()
        self.resized = asyncio.Event()

    async def run(self) -> int:
        """The exit status. Without a shell in the image, the command runs without the wrapper."""
        wrapped = shell_wrapper.run(self._mark, self._request.terminal, self._request.command)
        result = await self._attempt(wrapped)
        if result.code is None and not self._started.is_set() and _MISSING_PROGRAM.search(result.message):
            self._started.set()
            result = await self._attempt(self._request.command)
        if result.code is None:
            _report(wording.not_started(result.message))
            return NOT_FOUND if _MISSING_PROGRAM.search(result.message) else CLUSTER_FAILED
        return result.code

    async def _attempt(self, command: tuple[str, ...]) -> ExecResult:
        is_terminal, place = bool(self._request.terminal), self._request.place
        failure = ""
        try:
            async with exec_stream.open_stream(self._client, place, command, stdin=True, tty=is_terminal) as stream:
                try:
                    return await self._until_ended(stream)
                except ClusterUnreachable as error:
                    failure = str(error)
        except* HTTPXWSException:  # its keepalive failed
            failure = failure or wording.SILENT
        _report(failure)
        await self._end_command()
        return ExecResult(CLUSTER_FAILED)

    async def _until_ended(self, stream: ExecStream) -> ExecResult:
        receiving = asyncio.create_task(stream.receive(self._pass_on))
        stopping = asyncio.create_task(self.stop.wait())
        helpers = [asyncio.create_task(self._send_input(stream))]
        if self._request.terminal:
            helpers.append(asyncio.create_task(self._send_sizes(stream)))
        try:
            await asyncio.wait({receiving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                return receiving.result()
            await self._end_command()
            return ExecResult(STOPPED)
        finally:
            tasks = [receiving, stopping, *helpers]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_command(self) -> None:
        """Best effort: the pod may be gone."""
        if not self._started.is_set():
            return
        with contextlib.suppress(KubernetesError, TimeoutError):
            async with asyncio.timeout(STOP_SECONDS - 1):
                command = shell_wrapper.end(self._mark)
                place = self._request.place
                async with exec_stream.open_stream(self._client, place, command, stdin=False, tty=False) as stream:
                    await stream.receive(_ignore)

    # --- streams

    async def _pass_on(self, channel: int, data: bytes) -> None:
        if not self._started.is_set() and channel != STDERR:
            data = data.removeprefix(shell_wrapper.STARTED)
            self._started.set()
        try:
            await asyncio.to_thread(_write, 2 if channel == STDERR else 1, data)
        except OSError:  # its reader is gone
            self.stop.set()

    async def _send_input(self, stream: ExecStream) -> None:
        """Starts once the command has started: until then, it may have to be started in another way."""
        await self._started.wait()
        sent = False
        async for data in _read_input():
            await stream.send_input(data)
            sent = True
        if sent and not stream.closes_input:
            await asyncio.to_thread(_write, 2, wording.INPUT_STAYS_OPEN.encode())
        await stream.end_input()

    async def _send_sizes(self, stream: ExecStream) -> None:
        while True:
            self.resized.clear()
            size = os.get_terminal_size(0)
            await stream.resize(size.lines, size.columns)
            await self.resized.wait()


async def _ignore(_channel: int, _data: bytes) -> None:
    return


async def _read_input() -> AsyncIterator[bytes]:
    """In a thread that doesn't delay the end of the process."""
    loop, parts = asyncio.get_running_loop(), asyncio.Queue[bytes](1)

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            while True:
                try:
                    data = os.read(0, CHUNK)
                except OSError:
                    data = b""
                asyncio.run_coroutine_threadsafe(parts.put(data), loop).result()
                if not data:
                    return

    threading.Thread(target=read, daemon=True).start()
    while data := await parts.get():
        yield data


def _report(message: str) -> None:
    """Also readable in a terminal that doesn't translate line ends."""
    with contextlib.suppress(OSError):
        _write(2, f"{message}\r\n".encode() if os.isatty(2) else f"{message}\n".encode())


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


async def run(request: RemoteCommand) -> int:
    settings = KubernetesSettings(Path("/"), "", kubeconfig=request.kubeconfig, context=request.context)
    async with cluster.open_streams(settings, None) as client:
        session, loop = _Session(client, request), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, session.stop.set)
        if request.terminal:
            loop.add_signal_handler(signal.SIGWINCH, session.resized.set)
        return await session.run()


def _take_terminal() -> None:
    """As our controlling terminal, it tells us its size. It is raw already: what a person types while we start is for
    the terminal in the pod."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def main() -> int:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    request = RemoteCommand.from_json(os.environ.pop(REQUEST_VARIABLE))
    if request.terminal:
        _take_terminal()
    try:
        return asyncio.run(run(request))
    except KubernetesError as error:
        _report(str(error))
        return CLUSTER_FAILED


if __name__ == "__main__":
    sys.exit(main())

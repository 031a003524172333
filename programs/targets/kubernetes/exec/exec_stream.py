"""A command in a container over the API server's exec protocol: one WebSocket that carries its streams as channels.

Protocol versions: https://kubernetes.io/docs/reference/generated/kubernetes-api (v4.channel.k8s.io), and
KEP-4006 (v5.channel.k8s.io), which can close the standard input. Clusters offer v5 since Kubernetes 1.30.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from httpx2.websockets import (
    AsyncWebSocketSession,
    HTTPXWSException,
    WebSocketDisconnect,
    WebSocketUpgradeError,
)

from programs.targets.kubernetes.api import wording as cluster_wording
from programs.targets.kubernetes.errors import ClusterUnreachable, KubernetesError
from programs.targets.kubernetes.exec import wording
from programs.targets.kubernetes.exec.running_pods import PodContainer

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
CONNECT_SECONDS = 30.0
LAST_OUTPUT_SECONDS = 5.0
"""How long to wait for the end of the connection after the status."""
OnOutput = Callable[[int, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ExecResult:
    """``code`` None: the command wasn't run, and ``message`` says why."""

    code: int | None
    message: str = ""


class ExecStream:
    """One running command. Sends from one task at a time, and receives in another."""

    def __init__(self, socket: AsyncWebSocketSession) -> None:
        self._socket, self._sending = socket, asyncio.Lock()

    @property
    def closes_input(self) -> bool:
        """Whether the end of the standard input can be passed on."""
        return self._socket.subprotocol == V5

    async def send_input(self, data: bytes) -> None:
        await self._send(bytes([STDIN]) + data)

    async def end_input(self) -> None:
        if self.closes_input:
            await self._send(bytes([CLOSE, STDIN]))

    async def resize(self, rows: int, columns: int) -> None:
        await self._send(bytes([RESIZE]) + json.dumps({"Width": columns, "Height": rows}).encode())

    async def _send(self, frame: bytes) -> None:
        with contextlib.suppress(HTTPXWSException):  # receiving reports it
            async with self._sending:
                await self._socket.send_bytes(frame)

    async def receive(self, on_output: OnOutput) -> ExecResult:
        """Until the command has ended and all its output is there. Raises ``ClusterUnreachable`` if the connection ends
        earlier."""
        result: ExecResult | None = None
        try:
            while True:
                frame = await self._socket.receive_bytes(LAST_OUTPUT_SECONDS if result else None)
                channel, data = frame[0], frame[1:]
                if channel == STATUS and data:
                    result = parse_status(json.loads(data))
                elif channel in (STDOUT, STDERR) and data:
                    await on_output(channel, data)
        except (HTTPXWSException, TimeoutError, ValueError) as error:
            if result is not None:
                return result
            reason = error.reason if isinstance(error, WebSocketDisconnect) else str(error)
            raise ClusterUnreachable(wording.connection_ended(reason or wording.CLOSED_BY_CLUSTER)) from error


@contextlib.asynccontextmanager
async def open_stream(
    client: httpx2.AsyncClient, place: PodContainer, command: Sequence[str], *, stdin: bool, tty: bool
) -> AsyncIterator[ExecStream]:
    """Raises ``KubernetesError`` if the cluster denies it or can't be reached."""
    path = f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}/exec"
    flags = {"container": place.container, "stdin": stdin, "stdout": True, "stderr": not tty, "tty": tty}
    parameters = [*((name, str(value).lower()) for name, value in flags.items() if value)]
    query = httpx2.QueryParams([*parameters, *(("command", word) for word in command)])
    async with contextlib.AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await stack.enter_async_context(
                    client.websocket(f"{client.base_url}".rstrip("/") + path, params=query, subprotocols=[V5, V4])
                )
        except WebSocketUpgradeError as error:
            raise await _refusal(error.response, path) from error
        except (httpx2.HTTPError, HTTPXWSException, TimeoutError, OSError) as error:
            raise ClusterUnreachable(cluster_wording.unreachable(type(error).__name__, error)) from error
        yield ExecStream(socket)


async def _refusal(answer: httpx2.Response, path: str) -> KubernetesError:
    reason = ""
    with contextlib.suppress(httpx2.HTTPError, ValueError, AttributeError, RuntimeError):
        reason = str(json.loads(await answer.aread()).get("message", ""))
    if answer.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        return KubernetesError(wording.denied(reason or str(answer.status_code)))
    return KubernetesError(wording.responded_with(answer.status_code, path, reason or wording.NO_REASON))


def parse_status(status: Mapping[str, Any]) -> ExecResult:
    if status.get("status") == "Success":
        return ExecResult(0)
    causes = (status.get("details") or {}).get("causes") or []
    codes = [str(cause.get("message", "")) for cause in causes if cause.get("reason") == "ExitCode"]
    if codes and codes[0].isdecimal():
        return ExecResult(int(codes[0]))
    return ExecResult(None, str(status.get("message", "")) or "unknown reason")

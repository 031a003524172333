"""The part of the engine's API that is used besides Docker Compose. Plain data in, plain data out."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx2

from programs.kit.errors import TargetError
from programs.kit.waiting import wait_until
from programs.targets.compose import labels, wording
from programs.targets.compose.settings import ComposeHost

Data = dict[str, Any]
TIMEOUT = 60.0
REMOVAL_SECONDS = 20.0
FILL_PATH = "/eph-files"
LAST_LINES = 20


class EngineError(TargetError):
    """The engine refused a request; the message is its own."""


class EngineUnreachable(EngineError):
    """Nothing responds at the socket."""


class NotOnEngine(EngineError):
    """There is no such container, image, network or volume."""


class ObjectInUse(EngineError):
    """It can't be removed yet."""


class EngineClient:
    """One connection. A context manager, because the connection has a socket."""

    def __init__(self, place: Path) -> None:
        self._socket = place
        transport = httpx2.HTTPTransport(uds=str(place))
        self._http = httpx2.Client(transport=transport, base_url="http://engine", timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def containers(self, host: ComposeHost, environment: str = "") -> list[Data]:
        """All of them, running or not."""
        return list(self._json("GET", "/containers/json", all="true", filters=_filters(host, environment)))

    def networks(self, host: ComposeHost, environment: str = "") -> list[Data]:
        return list(self._json("GET", "/networks", filters=_filters(host, environment)))

    def volumes(self, host: ComposeHost, environment: str = "") -> list[Data]:
        return list(self._json("GET", "/volumes", filters=_filters(host, environment)).get("Volumes") or [])

    def images(self, host: ComposeHost, environment: str = "") -> list[Data]:
        """Those that Eph built."""
        return list(self._json("GET", "/images/json", filters=_filters(host, environment)))

    def all_networks(self) -> list[Data]:
        """Those of others, too."""
        return list(self._json("GET", "/networks"))

    def cpu_count(self) -> int:
        return int(self._json("GET", "/info")["NCPU"])

    def container(self, id_: str) -> Data:
        return dict(self._json("GET", f"/containers/{quote(id_)}/json"))

    def image(self, reference: str) -> Data:
        return dict(self._json("GET", f"/images/{quote(reference, safe='/:@')}/json"))

    def start(self, id_: str) -> None:
        self._request("POST", f"/containers/{quote(id_)}/start")

    def stop(self, id_: str) -> None:
        """Within the grace period of the container; then it is killed."""
        with contextlib.suppress(NotOnEngine):
            self._request("POST", f"/containers/{quote(id_)}/stop")

    def restart(self, id_: str) -> None:
        """As ``stop``, then starts it again."""
        self._request("POST", f"/containers/{quote(id_)}/restart")

    def put_archive(self, id_: str, path: str, archive: bytes) -> None:
        headers = {"Content-Type": "application/x-tar"}
        self._request("PUT", f"/containers/{quote(id_)}/archive", {"path": path}, content=archive, headers=headers)

    def has_volume(self, name: str) -> bool:
        try:
            self._json("GET", f"/volumes/{quote(name)}")
        except NotOnEngine:
            return False
        return True

    def create_volume(self, name: str, own_labels: Mapping[str, str]) -> None:
        """Leaves an existing one alone."""
        self._request("POST", "/volumes/create", json={"Name": name, "Labels": dict(own_labels)})

    def fill_volume(self, name: str, image: str, archive: bytes, own_labels: Mapping[str, str]) -> None:
        """Through a container that never starts. The image only has to exist."""
        mount = {"Type": "volume", "Source": name, "Target": FILL_PATH, "VolumeOptions": {"NoCopy": True}}
        settings = {"Mounts": [mount], "NetworkMode": "none"}
        body = {"Image": image, "Cmd": ["-"], "Labels": dict(own_labels), "HostConfig": settings}
        container = self._request("POST", "/containers/create", json=body).json()["Id"]
        try:
            self.put_archive(container, FILL_PATH, archive)
        finally:
            self.remove_container(container)

    def run_to_end(self, body: Mapping[str, Any], archive: bytes, seconds: float) -> tuple[int | None, list[str]]:
        """The exit status and last lines of a container that is removed afterwards. ``archive``: files for its root
        folder. None: it took longer than ``seconds``."""
        container = self._request("POST", "/containers/create", json=dict(body)).json()["Id"]
        try:
            self.put_archive(container, "/", archive)
            self.start(container)
            ended = wait_until(lambda: not self.container(container)["State"]["Running"], seconds, 0.1)
            lines = [text for _, text in log_lines(self.log(container, lines=LAST_LINES), has_terminal=False)]
            return (int(self.container(container)["State"]["ExitCode"]) if ended else None), lines
        finally:
            self.remove_container(container)

    def log(self, id_: str, *, lines: int, since: str = "") -> bytes:
        """The output with timestamps, in the engine's own framing. ``since``: seconds since 1970."""
        query = {"stdout": "true", "stderr": "true", "timestamps": "true", "tail": "all" if since else str(lines)}
        answer = self._request(
            "GET", f"/containers/{quote(id_)}/logs", {**query, **({"since": since} if since else {})}
        )
        return bytes(answer.content)

    def remove_container(self, id_: str) -> None:
        """With its anonymous volumes, running or not."""
        self._remove(f"/containers/{quote(id_)}", force="true", v="true")

    def remove_network(self, id_: str) -> None:
        self._remove(f"/networks/{quote(id_)}")

    def remove_volume(self, name: str) -> None:
        self._remove(f"/volumes/{quote(name)}", force="true")

    def remove_image(self, id_: str) -> None:
        self._remove(f"/images/{quote(id_, safe='/:')}", force="true")

    def _remove(self, path: str, **query: str) -> None:
        """Idempotent. What is still in use is tried again for a while: a container of it may be ending."""

        def is_removed() -> bool:
            try:
                self._request("DELETE", path, query)
            except NotOnEngine:
                return True
            except ObjectInUse:
                return False
            return True

        if not wait_until(is_removed, REMOVAL_SECONDS, 0.2):
            self._request("DELETE", path, query)

    def _json(self, method: str, path: str, **query: str) -> Any:
        return self._request(method, path, query).json()

    def _request(self, method: str, path: str, query: Mapping[str, str] = {}, **more: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, params=dict(query), **more)
        except httpx2.HTTPError as error:
            raise _unreachable(self._socket, error) from error
        if answer.status_code < httpx2.codes.BAD_REQUEST:
            return answer
        raise _error_kind(answer)(wording.engine_refused(method, path, _message(answer)))


def connect(host: ComposeHost) -> EngineClient:
    """Raises ``EngineUnreachable``."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(TIMEOUT)
        try:
            probe.connect(str(host.socket))
        except OSError as error:
            raise _unreachable(host.socket, error) from error
    return EngineClient(host.socket)


def _unreachable(place: Path, error: Exception) -> EngineUnreachable:
    return EngineUnreachable(wording.engine_unreachable(place, error))


def _filters(host: ComposeHost, environment: str) -> str:
    wanted = [f"{labels.SERVER}={host.server}"]
    wanted.append(f"{labels.ENVIRONMENT}={environment}" if environment else labels.ENVIRONMENT)
    return json.dumps({"label": wanted})


def _error_kind(answer: httpx2.Response) -> type[EngineError]:
    has_endpoints = answer.status_code == httpx2.codes.FORBIDDEN and "active endpoints" in answer.text
    if answer.status_code == httpx2.codes.NOT_FOUND:
        return NotOnEngine
    return ObjectInUse if has_endpoints or answer.status_code == httpx2.codes.CONFLICT else EngineError


def _message(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return wording.engine_status(answer.status_code)


def log_lines(framed: bytes, has_terminal: bool) -> Iterator[tuple[str, str]]:
    """Each line with its timestamp. Without a terminal, the engine puts a header of eight bytes before each piece."""
    data = framed if has_terminal else b"".join(_pieces(framed))
    for line in data.decode(errors="replace").splitlines():
        at, _, text = line.partition(" ")
        yield at, text


def _pieces(framed: bytes) -> Iterator[bytes]:
    start = 0
    while start + 8 <= len(framed):
        size = int.from_bytes(framed[start + 4 : start + 8], "big")
        yield framed[start + 8 : start + 8 + size]
        start += 8 + size

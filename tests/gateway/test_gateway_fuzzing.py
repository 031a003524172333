"""Random requests with contradicting lengths and hosts never reach a preview that requires sign-in (S3, S5)."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.conformance.gateway_thread import serving_gateway
from tests import raw_http

OPEN_HOST, LOCKED_HOST = "shop-quiet-river-7.localhost", "shop-gentle-stream-42.localhost"
PIECES = [
    *("GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "POST / HTTP/1.0\r\n", "GET /hidden HTTP/1.1\r\n"),
    *(f"Host: {OPEN_HOST}\r\n", f"Host: {LOCKED_HOST}\r\n", f"Host : {LOCKED_HOST}\r\n", "Host:\r\n"),
    *("Content-Length: 0\r\n", "Content-Length: 5\r\n", "Content-Length: 40\r\n", "Content-Length: +5\r\n"),
    *("Transfer-Encoding: chunked\r\n", "Transfer-Encoding:\tchunked\r\n", "Transfer-Encoding: x, chunked\r\n"),
    *("Transfer-Encoding: chunked, identity\r\n", "Connection: close\r\n", "Connection: Host\r\n"),
    *("Upgrade: websocket\r\n", "Expect: 100-continue\r\n", "X: a\r\n b\r\n", "X: \x00\r\n", "X: a\rb\r\n"),
    *("\r\n", "\n", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "-1\r\n", "FFFFFFFFFFFFFFFF1\r\n", "hello"),
]
START = f"POST / HTTP/1.1\r\nHost: {OPEN_HOST}\r\n"


@dataclass(slots=True)
class Upstream:
    """A preview's service that keeps every byte that it received."""

    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    received: bytearray = field(default_factory=bytearray)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            while part := connection.recv(65536):
                self.received += part
                if b"\r\n\r\n" in part:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                    return


@dataclass(frozen=True, slots=True)
class Fuzzed:
    port: int
    open: Upstream
    locked: Upstream

    def send(self, data: bytes, seconds: float = 0.3) -> bytes:
        return raw_http.exchange(self.port, data, seconds)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    folder = tmp_path_factory.mktemp("gateway") / "routes"
    folder.mkdir()
    upstreams = {OPEN_HOST: Upstream(), LOCKED_HOST: Upstream()}
    for host, upstream in upstreams.items():
        record = {"host": host, "upstream": f"http://127.0.0.1:{upstream.port}", "environment": "e"}
        write_route(folder, {**record, "sign_in": host == LOCKED_HOST})
        threading.Thread(target=upstream.serve, daemon=True).start()
    with serving_gateway(folder) as port:
        yield Fuzzed(port, upstreams[OPEN_HOST], upstreams[LOCKED_HOST])
    for upstream in upstreams.values():
        upstream.listener.close()


def write_route(folder: Path, record: dict[str, object]) -> None:
    (folder / f"{record['host']}.json").write_text(json.dumps(record))


@pytest.mark.long
@pytest.mark.timeout(300)
@settings(max_examples=200)
@given(pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=9))
def test_no_bytes_reach_a_locked_preview(fuzzed: Fuzzed, pieces: list[str]) -> None:
    """The gateway stays up, and what it forwards has one host: the one for which it decided."""
    hidden = f"\r\n\r\nGET /hidden HTTP/1.1\r\nHost: {LOCKED_HOST}\r\nConnection: close\r\n\r\n"
    fuzzed.open.received.clear()
    answer = fuzzed.send((START + "".join(pieces) + hidden).encode("latin-1"))
    assert not fuzzed.locked.received
    assert answer == b"" or answer.startswith(b"HTTP/1.")
    heads = bytes(fuzzed.open.received).partition(b"\r\n\r\n")[0].lower()
    assert heads.count(b"\r\nhost:") <= 1
    good = fuzzed.send(f"GET / HTTP/1.1\r\nHost: {OPEN_HOST}\r\nConnection: close\r\n\r\n".encode(), 10)
    assert b" 200 " in good.partition(b"\r\n")[0]

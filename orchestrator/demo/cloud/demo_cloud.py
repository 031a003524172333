"""The demo's cloud: an HTTP server with sites and volumes, created through an API that requires a token.

It never asks Eph for anything, so what it lists is counted from outside. ``/api/KIND/NAME`` creates (POST), changes
(PUT), reads and deletes; ``/sites/NAME/`` is the page of a site.
"""

from __future__ import annotations

import http.server
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

MAX_BODY = 1024 * 1024
KINDS = ("sites", "volumes")


@dataclass
class DemoCloud:
    """``before`` is called with each request that changes something, for tests that hold or fail it."""

    before: Callable[[str, str], None] = lambda _method, _path: None
    token: str = field(default_factory=lambda: secrets.token_hex(20))
    items: dict[tuple[str, str], str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        handler = type("CloudHandler", (_Handler,), {"cloud": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def names(self, kind: str = "sites") -> list[str]:
        return sorted(name for of, name in self.items if of == kind)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud: DemoCloud
    timeout = 60

    def do_GET(self) -> None:
        if self.path.startswith("/api/"):
            self._call_api()
            return
        kind, _, name = self.path.strip("/").partition("/")
        page = self.cloud.items.get((kind, name))
        if kind != "sites" or page is None:
            self._send(HTTPStatus.NOT_FOUND, "There is no such site.", "text/plain")
        else:
            self._send(HTTPStatus.OK, page, "text/html")

    def do_POST(self) -> None:
        self._call_api()

    def do_PUT(self) -> None:
        self._call_api()

    def do_DELETE(self) -> None:
        self._call_api()

    def _call_api(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
        prefix, kind, name = (*self.path.strip("/").split("/"), "", "", "")[:3]
        if self.headers.get("Authorization") != f"Bearer {self.cloud.token}":
            self._fail(HTTPStatus.UNAUTHORIZED, "wrong token")
        elif prefix != "api" or kind not in KINDS or not name:
            self._fail(HTTPStatus.NOT_FOUND, "unknown path")
        else:
            if self.command != "GET":
                self.cloud.requests.append(f"{self.command} {kind}/{name}")
                self.cloud.before(self.command, f"{kind}/{name}")
            self._apply((kind, name), json.loads(body or b"{}"))

    def _apply(self, key: tuple[str, str], data: dict[str, Any]) -> None:
        items, content = self.cloud.items, str(data.get("content", ""))
        if self.command in ("GET", "DELETE"):
            found = items.get(key) if self.command == "GET" else items.pop(key, None)
            status = HTTPStatus.NOT_FOUND if found is None else HTTPStatus.OK
            self._send(status, json.dumps({"content": found}), "application/json")
        elif self.command == "POST" and key in items:
            self._fail(HTTPStatus.CONFLICT, f"{key[1]} exists already")
        elif not content.strip():
            self._fail(HTTPStatus.UNPROCESSABLE_ENTITY, f"{key[0]} {key[1]}: the content is empty")
        else:
            items[key] = content
            url = f"{self.cloud.url}/{key[0]}/{key[1]}/"
            self._send(HTTPStatus.OK, json.dumps({"url": url}), "application/json")

    def _fail(self, status: HTTPStatus, text: str) -> None:
        self.close_connection = True
        self._send(status, text, "text/plain")

    def _send(self, status: HTTPStatus, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests and the demo read ``requests``."""

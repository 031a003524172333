"""Small servers that speak the part of Vault's and Kubernetes' APIs that Eph uses, on this machine.

They keep to the documented answers: Vault returns 403 for an unknown token and for a missing policy, and 404 with
``data: null`` for a deleted version; Kubernetes returns values in base64.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, Any]]


@dataclass
class StoredSecrets:
    """``stored``: the keys of each secret by path."""

    stored: dict[str, dict[str, bytes]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)


@dataclass
class VaultServer(StoredSecrets):
    """``tokens``: those that it accepts. ``logins``: the service account tokens that it exchanges for a token."""

    tokens: set[str] = field(default_factory=lambda: {"root-token"})
    logins: dict[str, str] = field(default_factory=dict)
    forced_status: int = 0
    requests: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        self.requests.append(path)
        if self.forced_status:
            return self.forced_status, {"errors": ["forced"]}
        if path == "/v1/auth/kubernetes/login" and method == "POST":
            token = self.logins.get(json.loads(body)["jwt"])
            return (200, {"auth": {"client_token": token}}) if token else (403, {"errors": ["permission denied"]})
        mount, _, rest = path.removeprefix("/v1/").partition("/data/")
        name = f"{mount}/{rest}"
        if headers["X-Vault-Token"] not in self.tokens or name in self.denied:
            return 403, {"errors": ["permission denied"]}
        if name not in self.stored:
            return 404, {"errors": []}
        keys = {key: value.decode() for key, value in self.stored[name].items()}
        return 200, {"data": {"data": keys, "metadata": {"version": 1}}}


@dataclass
class ClusterServer(StoredSecrets):
    """The API server, with the token ``account-token``."""

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        parts = path.removeprefix("/api/v1/namespaces/").split("/")
        name = f"{parts[0]}/{parts[2]}"
        if headers["Authorization"] != "Bearer account-token":
            return 401, {"kind": "Status", "message": "Unauthorized"}
        if name in self.denied:
            return 403, {"kind": "Status", "message": "forbidden"}
        if name not in self.stored:
            return 404, {"kind": "Status", "message": "not found"}
        data = {key: base64.b64encode(value).decode() for key, value in self.stored[name].items()}
        return 200, {"kind": "Secret", "data": data}


@contextmanager
def serving(answer: Callable[[str, str, Any, bytes], Answer]) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yields the URL, and a function that stops the server early."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            code, data = answer(self.command, self.path, self.headers, self.rfile.read(size))
            content = json.dumps(data).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if code // 100 == 3:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Nothing: it would end up in the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", stop
    finally:
        stop()

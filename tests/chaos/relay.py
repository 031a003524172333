"""Stands between the Git host and ephd and spoils webhooks: loses them, doubles them, turns their order round."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

Hook = tuple[bytes, dict[str, str]]


class Relay:
    """``spoil('lost', 3)`` is what becomes of the next three."""

    def __init__(self, to: str) -> None:
        self._to = to
        self._lock = threading.Lock()
        self._client = httpx.Client(timeout=3, trust_env=False)  # one for all: making its TLS context costs
        self._manner, self._left = "", 0
        self._held: list[Hook] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kept = {
                    key: value for key, value in self.headers.items() if key.lower().startswith(("x-", "content-t"))
                }
                relay.heard((body, kept))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The Git host keeps its own list."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def spoil(self, manner: str, count: int) -> None:
        with self._lock:
            self._manner, self._left = manner, count

    def heard(self, hook: Hook) -> None:
        for one in self._become(hook):
            self.send(one)

    def send(self, hook: Hook) -> int:
        """The status of ephd's answer; 0 when there was none."""
        with contextlib.suppress(httpx.HTTPError):
            return self._client.post(self._to, content=hook[0], headers=hook[1]).status_code
        return 0

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self._client.close()

    def _become(self, hook: Hook) -> list[Hook]:
        with self._lock:
            manner = self._manner if self._left else ""
            self._left = max(0, self._left - 1)
            if manner == "reordered" and self._left:
                self._held.append(hook)
                return []
            held, self._held = self._held, []
        if manner == "lost":
            return held
        return [hook, *reversed(held)] if manner != "doubled" else [hook, hook, *held]

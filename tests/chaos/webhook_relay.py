"""Stands between the Git host and ephd and spoils webhooks: loses them, doubles them, turns their order round."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

Webhook = tuple[bytes, dict[str, str]]


class WebhookRelay:
    """``spoil('lost', 3)`` is what becomes of the next three."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._lock = threading.Lock()
        self._client = httpx.Client(timeout=3, trust_env=False)  # one for all: making its TLS context costs
        self._mode, self._remaining = "", 0
        self._held: list[Webhook] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kept = {
                    key: value for key, value in self.headers.items() if key.lower().startswith(("x-", "content-t"))
                }
                relay.receive((body, kept))
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

    def disrupt(self, mode: str, count: int) -> None:
        with self._lock:
            self._mode, self._remaining = mode, count

    def receive(self, webhook: Webhook) -> None:
        for one in self._apply_disruption(webhook):
            self.send(one)

    def send(self, webhook: Webhook) -> int:
        """The status of ephd's answer; 0 when there was none."""
        with contextlib.suppress(httpx.HTTPError):
            return self._client.post(self._destination, content=webhook[0], headers=webhook[1]).status_code
        return 0

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self._client.close()

    def _apply_disruption(self, webhook: Webhook) -> list[Webhook]:
        with self._lock:
            manner = self._mode if self._remaining else ""
            self._remaining = max(0, self._remaining - 1)
            if manner == "reordered" and self._remaining:
                self._held.append(webhook)
                return []
            held, self._held = self._held, []
        if manner == "lost":
            return held
        return [webhook, *reversed(held)] if manner != "doubled" else [webhook, webhook, *held]

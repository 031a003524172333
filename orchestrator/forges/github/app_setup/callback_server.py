"""The pages of this machine in the flow: one that sends the manifest to GitHub, and one that GitHub returns to.

It listens on loopback only. The state, which only the first page knows, proves that GitHub's answer belongs to this
run: without it, another site could make Eph use an App that isn't the operator's. A request under another host name is
refused, since a site could point its own name at this machine to read that page.
"""

from __future__ import annotations

import hmac
import html
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlsplit

from orchestrator.forges.github.app_setup import wording

CALLBACK_PATH = "/created"
_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_POLL_SECONDS = 0.5
_REQUEST_TIMEOUT = 10.0


class CallbackServer(HTTPServer):
    """``target``: GitHub's URL for a state. ``manifest``: the manifest for the URL to return to."""

    def __init__(
        self, port: int, target: Callable[[str], str], manifest: Callable[[str], Mapping[str, object]]
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = secrets.token_urlsafe(32)
        self.code = ""
        self.timeout = _POLL_SECONDS
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.target = target(self.state)
        self.manifest = json.dumps(manifest(f"{self.url}{CALLBACK_PATH}"))

    def wait(self, seconds: float) -> str:
        """The code with which GitHub hands over the App; empty after the time is over."""
        end = time.monotonic() + seconds
        while not self.code and time.monotonic() < end:
            self.handle_request()
        return self.code


class _Handler(BaseHTTPRequestHandler):
    server: CallbackServer
    timeout = _REQUEST_TIMEOUT
    """A connection without a request must not block the callback."""

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        port = self.server.server_address[1]
        if self.headers.get("Host", "") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            self._send(421, wording.WRONG_HOST)
        elif asked.path == "/":
            self._send(200, "", _start_page(self.server.target, self.server.manifest))
        elif asked.path == CALLBACK_PATH:
            self._receive({name: values[0] for name, values in parse_qs(asked.query).items()})
        else:
            self._send(404, wording.NO_SUCH_PAGE)

    def _receive(self, answer: Mapping[str, str]) -> None:
        state, code = answer.get("state", ""), answer.get("code", "")
        if not hmac.compare_digest(state.encode(), self.server.state.encode()):
            self._send(400, wording.FOREIGN_ANSWER)
        elif not _CODE.fullmatch(code):
            self._send(400, wording.NO_CODE)
        else:
            self.server.code = code
            self._send(200, wording.APP_CREATED)

    def _send(self, status: int, text: str, page: str = "") -> None:
        body = (page or _page(text)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("X-Frame-Options", "DENY")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The terminal is the operator's, and the query contains the code."""


def _start_page(target: str, manifest: str) -> str:
    values = {"target": target, "manifest": manifest, "button": wording.CREATE_BUTTON}
    return _page(wording.START_TEXT, _fill("form.html", **values))


def _page(text: str, form: str = "") -> str:
    return _fill("page.html", title=wording.PAGE_TITLE, text=text).replace("$form", form)


def _fill(name: str, **values: str) -> str:
    """Everything is escaped. What isn't given stays a placeholder."""
    template = Template((Path(__file__).parent / name).read_text())
    return template.safe_substitute({key: html.escape(value) for key, value in values.items()})

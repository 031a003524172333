"""A gateway process in front of an app that shows what reached it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx

from orchestrator.config import file_names
from tests.auth.conftest import PREVIEW_KEY

HOST = "shop-gentle-stream-42.localhost"
TOKEN = "token-of-the-operator-that-is-long-enough"


class _Preview(BaseHTTPRequestHandler):
    """An app that shows what reached it."""

    def do_GET(self) -> None:
        body = f"PREVIEW {self.path}\n{self.headers}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@dataclass(frozen=True, slots=True)
class Previews:
    """A gateway process with two protected previews."""

    folder: Path
    port: int
    upstream: int

    def reset(self) -> None:
        """As at the start: no routes, no share links, the usual key."""
        for record in (self.folder / "routes").iterdir():
            record.unlink()
        (self.folder / file_names.SHARE_LINKS).unlink(missing_ok=True)
        (self.folder / "key").write_bytes(PREVIEW_KEY)

    def url(self, host: str = HOST, path: str = "/") -> str:
        return f"http://{host}:{self.port}{path}"

    def protect(self, host: str, *allow: str) -> None:
        record = {"host": host, "upstream": f"http://127.0.0.1:{self.upstream}", "sign_in": True, "allow": list(allow)}
        new = self.folder / "routes" / "new"
        new.write_text(json.dumps(record))
        new.replace(self.folder / "routes" / f"{host}.json")


@contextmanager
def serving_previews(folder: Path, port: int, people_url: str = "") -> Iterator[Previews]:
    (folder / "routes").mkdir()
    (folder / file_names.PREVIEW_STATES).write_text('{"hosts": {}}')
    (folder / "key").write_bytes(PREVIEW_KEY)
    (folder / "tokens").write_text(TOKEN + "\n")
    app = ThreadingHTTPServer(("127.0.0.1", 0), _Preview)
    Thread(target=app.serve_forever, args=(0.01,), daemon=True).start()
    arguments = [
        *("--listen", f"127.0.0.1:{port}", "--directory", str(folder), "--sign-in", "asked"),
        *("--tokens", str(folder / "tokens"), "--people-key", str(folder / "key")),
        *("--people-url", people_url),
    ]
    gateway = subprocess.Popen([sys.executable, "-m", "orchestrator.gateway", *arguments])
    try:
        previews = Previews(folder, port, app.server_port)
        _wait_until_ready(previews.port)
        yield previews
    finally:
        gateway.terminate()
        gateway.wait(60)
        app.shutdown()
        app.server_close()


def _wait_until_ready(port: int) -> None:
    """Connecting is tried again with growing pauses, for about 50 seconds."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as client:
        assert client.get(f"http://127.0.0.1:{port}/_eph/healthz").status_code == 200

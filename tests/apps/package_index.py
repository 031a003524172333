"""A company's package index for previews, which remembers what they requested from it.

It has a name that only the company's HTTP proxy resolves, and this is that proxy, too.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

URL = "http://packages.example.invalid"

Read = Callable[[str], bytes | None]
"""What the index has at a path; None if nothing."""


@dataclass
class PackageIndex:
    """``env``: variables for everything in previews. ``requested``: every URL, in the order of the requests."""

    proxy_url: str
    env: Mapping[str, str]
    requested: list[str] = field(default_factory=list)

    @property
    def local_toml(self) -> str:
        """The settings of the target ``local`` with which previews use it, and nothing else of the internet."""
        env = ", ".join(f"{name} = {json.dumps(text)}" for name, text in self.env.items())
        return f'egress_proxy = "{self.proxy_url}"\nenv = {{ {env} }}\n'


@contextlib.contextmanager
def go_modules() -> Iterator[PackageIndex]:
    """The packages come from the machine's own Go module proxy."""
    found = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True).stdout.strip()
    upstream = found.split(",")[0].rstrip("/")
    with httpx.Client(timeout=60, follow_redirects=True) as client:

        def read(path: str) -> bytes | None:
            answer = client.get(upstream + path)
            return answer.content if answer.is_success else None

        with package_index(read, {"GOPROXY": URL}) as index:
            yield index


@contextlib.contextmanager
def package_index(read: Read, env: Mapping[str, str]) -> Iterator[PackageIndex]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.requested.append(self.path)
            content = read(self.path.removeprefix(URL)) if self.path.startswith(f"{URL}/") else None
            if content is None:
                self.send_error(404 if self.path.startswith(f"{URL}/") else 403)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_CONNECT(self) -> None:
            index.requested.append(self.path)
            self.send_error(403)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index = PackageIndex(f"http://127.0.0.1:{server.server_address[1]}", env)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()

"""A company's package index for previews, which remembers what they requested from it.

It has a name that only the company's HTTP proxy resolves, and this is that proxy, too. Packages come from the machine's
own Go module proxy.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

URL = "http://packages.example.invalid"


@dataclass
class PackageIndex:
    """``requested``: every URL, in the order of the requests."""

    proxy_url: str
    requested: list[str] = field(default_factory=list)

    @property
    def local_toml(self) -> str:
        """The settings of the target ``local`` with which previews use it, and nothing else of the internet."""
        return f'egress_proxy = "{self.proxy_url}"\nenv = {{ GOPROXY = "{URL}" }}\n'


@contextlib.contextmanager
def package_index() -> Iterator[PackageIndex]:
    found = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True).stdout.strip()
    upstream = found.split(",")[0].rstrip("/")
    with httpx.Client(timeout=60, follow_redirects=True) as client:

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.requested.append(self.path)
                if not self.path.startswith(f"{URL}/"):
                    self.send_error(403)
                    return
                answer = client.get(upstream + self.path.removeprefix(URL))
                self.send_response(answer.status_code)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def do_CONNECT(self) -> None:
                index.requested.append(self.path)
                self.send_error(403)

            def log_message(self, format: str, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            index = PackageIndex(f"http://127.0.0.1:{server.server_address[1]}")
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield index
            finally:
                server.shutdown()
                thread.join()

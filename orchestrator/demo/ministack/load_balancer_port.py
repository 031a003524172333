"""The port of a load balancer: MiniStack serves all load balancers at one port, by a prefix of the path."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

TIMEOUT = 60.0
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")


@contextlib.contextmanager
def listening(endpoint: str, name: str) -> Iterator[str]:
    """The URL of the load balancer of that name. Requests keep their ``Host``, by which it routes them."""
    names = {"ministack": urlsplit(endpoint).netloc, "prefix": f"/_alb/{name}"}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("LoadBalancerHandler", (_Handler,), names))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT
    ministack: str
    prefix: str

    def do_GET(self) -> None:
        self._forward()

    def do_HEAD(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(self.ministack, timeout=TIMEOUT)
        try:
            connection.request(self.command, self.prefix + self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        finally:
            connection.close()
        with contextlib.suppress(ConnectionError):  # a visitor who has left
            self._send(answer, content)

    def _send(self, answer: http.client.HTTPResponse, content: bytes) -> None:
        self.send_response(answer.status)
        for header, value in answer.getheaders():
            if header.lower() not in _HOP_BY_HOP:
                self.send_header(header, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the gateway has a log."""

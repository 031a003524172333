"""The attacker's service: runs the Python code that it receives, shows which requests reached it, and responds with the
bytes that a test chooses. It runs inside an environment, with the standard library only."""

import base64
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SEEN: list[str] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path == "/seen":
            self.reply(json.dumps(SEEN).encode())
            return
        SEEN.append(f"{self.requestline}\n{self.headers}")
        if path.path == "/answer":
            raw = base64.urlsafe_b64decode(parse_qs(path.query)["raw"][0])
            self.wfile.write(raw.replace(b"PADDING", b"a" * 1_000_000))
            self.close_connection = True
            return
        found = {"commit": os.environ["EPH_COMMIT"], "environment": os.environ["EPH_ENVIRONMENT"]}
        self.reply(json.dumps({**found, "request": SEEN[-1]}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/run":
            self.do_GET()
            return
        command = [sys.executable, "-"]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, input=body, timeout=50)
        except subprocess.TimeoutExpired as error:
            self.reply(b"timeout\n" + (error.stdout or b""))
            return
        self.reply(f"{done.returncode}\n".encode() + done.stdout)

    def reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()

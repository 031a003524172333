"""The neighbour of a hostile service. Its page reads a row of its database in a new session.

It runs inside an environment, with the standard library only.
"""

from __future__ import annotations

import http.server
import os
import subprocess

REFUSED = "the database refused: "


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        argv = [os.environ["PSQL"], "-X", "-A", "-t", "-d", os.environ["DATABASE_URL"], "-c", "SELECT x FROM kept"]
        done = subprocess.run(argv, capture_output=True, check=False)
        self.send_response(503 if done.returncode else 200)
        self.end_headers()
        self.wfile.write(REFUSED.encode() + done.stderr if done.returncode else done.stdout.strip())

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()

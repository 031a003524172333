"""A suite that tries to fetch pages, and a server that answers: what tests of suites on several targets use."""

from __future__ import annotations

import http.server

FETCH = """
import os, sys, urllib.error, urllib.request
os.environ["no_proxy"] = os.environ["NO_PROXY"] = ""
if sys.argv[1] == "directly":
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
else:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": os.environ["http_proxy"]}))
for url in sys.argv[2:]:
    try:
        print(opener.open(url, timeout=5).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code)
    except OSError as error:
        print(type(error).__name__)
"""
"""``python3 fetch.py directly|proxied URL...`` prints a line for each URL: its page, status or error."""

METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


class Answer(http.server.BaseHTTPRequestHandler):
    """The front of all environments, and of Eph itself. Its pages are the names that were asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["Host"].partition(":")[0].encode())

    def log_message(self, *_: object) -> None:
        """Silent."""

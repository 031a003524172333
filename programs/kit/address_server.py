"""Answers at the addresses of all environments: ``python address_server.py FOLDER PORT``. Standard library only.

FOLDER contains one JSON file per host name. It is read for each request, so an update is live at once.
"""

from __future__ import annotations

import html
import http.server
import json
import re
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
PROBE_HEADER = "X-Eph-Probe"
"""Eph's own health check. It asks whether the deployment is complete, and must not leave for another host."""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{name}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:3rem auto;padding:0 1rem}}
td,th{{text-align:left;padding:.3rem 1rem .3rem 0;vertical-align:top;word-break:break-word}}</style>
<h1>{name}</h1><p>Commit <code>{commit}</code>. Last deployment: {plan}.</p>
<table><tr><th>Output</th><th>Value</th></tr>{rows}</table></html>
"""


class AddressHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "eph-addresses"
    sys_version = ""
    timeout = 60
    pages: Path

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self.close_connection = True  # its body isn't read
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, "Use GET or HEAD.\n", {"Allow": "GET, HEAD", "Connection": "close"})

    def __getattr__(self, name: str) -> object:
        """Every other method is answered like POST."""
        if name.startswith("do_"):
            return self.do_POST
        raise AttributeError(name)

    def _respond(self) -> None:
        record = self._find_record()
        if record is None:
            self._send(HTTPStatus.NOT_FOUND, "There is no environment with this host name.\n", {})
        elif record["location"] and not self.headers.get(PROBE_HEADER):
            self._send(HTTPStatus.FOUND, "", {"Location": _join(str(record["location"]), self.path)})
        else:
            self._send(HTTPStatus.OK, _page(record), {"Content-Type": "text/html; charset=utf-8"})

    def _find_record(self) -> dict[str, Any] | None:
        host = self.headers.get("Host", "").partition(":")[0].lower()
        if not HOST.fullmatch(host):
            return None
        try:
            found: dict[str, Any] = json.loads((self.pages / f"{host}.json").read_text())
        except (OSError, ValueError):
            return None
        return found

    def _send(self, status: HTTPStatus, text: str, headers: dict[str, str]) -> None:
        body = text.encode()
        self.send_response(status)
        size = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
        fixed = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        for name, value in {**size, **headers, **fixed}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the project has its own logs."""


def _join(location: str, path: str) -> str:
    """The requested path at the project's URL. A URL with a path or a query of its own stays as it is."""
    scheme, _, rest = location.partition("://")
    host, _, own = rest.partition("/")
    if own or "?" in rest or "#" in rest or not path.startswith("/"):
        return location
    return f"{scheme}://{host}{path}"


def _page(record: dict[str, Any]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(str(name))}</td><td>{_value(str(value))}</td></tr>"
        for name, value in record["outputs"].items()
    )
    name, commit, plan = (html.escape(str(record[key])) for key in ("environment", "commit", "plan"))
    return PAGE.format(name=name, commit=commit[:12], plan=plan, rows=cells)


def _value(text: str) -> str:
    shown = html.escape(text)
    return f'<a href="{shown}">{shown}</a>' if text.startswith(("http://", "https://")) else shown


def create_server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    handler = type("PagesHandler", (AddressHandler,), {"pages": folder})
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    create_server(Path(sys.argv[1]), int(sys.argv[2])).serve_forever()

"""The web page of a mail catcher: read-only, and the same for everyone whom the gateway lets in."""

from __future__ import annotations

import http.server
import re
from http import HTTPStatus

from programs.kit.mail_catcher import pages
from programs.kit.mail_catcher.mailbox import Mailbox

_MESSAGE = re.compile(r"/messages/([0-9]{1,9})(?:/(html|source)|(\.json))?")
_HTML, _TEXT, _JSON = "text/html; charset=utf-8", "text/plain; charset=utf-8", "application/json"


class MailPages(http.server.BaseHTTPRequestHandler):
    """``mailbox`` is set by ``server``."""

    mailbox: Mailbox
    timeout = 20
    server_version, sys_version = "eph-mail", ""
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        found = _MESSAGE.fullmatch(path)
        if found:
            self._message(int(found[1]), found[2] or found[3] or "")
        elif path == "/":
            self._respond(pages.list_page(self.mailbox.newest_first()), _HTML)
        elif path == "/messages.json":
            self._respond(pages.messages_json(self.mailbox.newest_first()), _JSON)
        else:
            self._respond("Not found", _TEXT, status=HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _message(self, number: int, view: str) -> None:
        found = self.mailbox.find(number)
        if found is None:
            self._respond(pages.NO_SUCH_MESSAGE, _TEXT, status=HTTPStatus.NOT_FOUND)
        elif view == "html":
            self._respond(pages.read_body(found[1]).html, _HTML, pages.MESSAGE_POLICY)
        elif view == "source":
            self._respond(found[1], _TEXT, pages.MESSAGE_POLICY)
        elif view == ".json":
            self._respond(pages.message_json(*found), _JSON)
        else:
            self._respond(pages.message_page(*found), _HTML)

    def _respond(
        self, body: str | bytes, kind: str, policy: str = pages.PAGE_POLICY, status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        data = body if isinstance(body, bytes) else body.encode(errors="replace")
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Visits aren't logged: the log is about mail."""


def server(mailbox: Mailbox, address: str, port: int) -> http.server.ThreadingHTTPServer:
    handler = type("BoundMailPages", (MailPages,), {"mailbox": mailbox})
    return http.server.ThreadingHTTPServer((address, port), handler)

"""What the web page shows of caught messages. Their content is escaped, or in a frame that may do nothing.

A message's HTML is a separate response, with a policy that forbids scripts, forms and every request: opened
directly, it can do no more than in the frame. Images on other servers stay hidden, so a preview's mail never calls
home.
"""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from html import escape

from programs.kit.mail_catcher.mailbox import CaughtMessage

PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
MESSAGE_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
NO_SUCH_MESSAGE = "There is no such message."
MAX_PARTS = 100
MAX_SHOWN = 2 * 1024 * 1024
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 60rem; padding: 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8884; overflow-wrap: anywhere; padding: .4rem .6rem; text-align: left }
iframe { background: #fff; border: 1px solid #8884; height: 60vh; width: 100% }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
"""


@dataclass(frozen=True, slots=True)
class MessageBody:
    """The parts of a message that people read. ``attachments``: names and sizes. ``error``: it can't be parsed."""

    text: str = ""
    html: str = ""
    attachments: tuple[tuple[str, int], ...] = ()
    error: bool = False


def read_body(content: bytes) -> MessageBody:
    try:
        message = email.message_from_bytes(content, policy=email.policy.default)
        return _body(message)
    except Exception:  # noqa: BLE001 - malformed messages raise various errors, RecursionError among them
        return MessageBody(error=True)


def _body(message: EmailMessage) -> MessageBody:
    text, html, attachments = "", "", list[tuple[str, int]]()
    for part in _parts(message):
        kind, name = part.get_content_type(), part.get_filename()
        if name or part.get_content_disposition() == "attachment":
            attachments.append((str(name or kind), len(part.get_payload(decode=True) or b"")))
        elif kind == "text/plain" and not text:
            text = _decoded(part)
        elif kind == "text/html" and not html:
            html = _decoded(part)
    return MessageBody(text, html, tuple(attachments))


def _parts(message: EmailMessage) -> Iterator[EmailMessage]:
    for number, part in enumerate(message.walk()):
        if number == MAX_PARTS:
            return
        if not part.is_multipart() and isinstance(part, EmailMessage):
            yield part


def _decoded(part: EmailMessage) -> str:
    raw = part.get_payload(decode=True)
    content = raw if isinstance(raw, bytes) else b""
    try:
        return content[:MAX_SHOWN].decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:  # an unknown character set
        return content[:MAX_SHOWN].decode("latin-1")


def list_page(messages: Sequence[CaughtMessage]) -> str:
    if not messages:
        return _page("Mail", "<p>No mail yet. Services send it to the server in <code>SMTP_URL</code>.</p>")
    rows = "".join(
        f'<tr><td>{_time(item)}<td><a href="/messages/{item.number}">{escape(item.subject or "(no subject)")}</a>'
        f"<td>{escape(item.sender)}<td>{escape(', '.join(item.recipients))}"
        for item in messages
    )
    return _page("Mail", f"<table><tr><th>Received<th>Subject<th>From<th>To{rows}</table>")


def message_page(message: CaughtMessage, content: bytes) -> str:
    body, place = read_body(content), f"/messages/{message.number}"
    facts = (("From", message.sender), ("To", ", ".join(message.recipients)), ("Received", _time(message)))
    shown = "".join(f"<tr><th>{name}<td>{escape(value)}" for name, value in facts)
    files = "".join(f"<li>{escape(name[:200])} ({size} bytes)" for name, size in body.attachments)
    parts = [f"<table>{shown}</table>", f'<p><a href="/">All mail</a> · <a href="{place}/source">Source</a></p>']
    if body.error:
        parts.append("<p>This message is malformed. See its source.</p>")
    if body.html:
        parts.append(f'<iframe sandbox title="The message as HTML" src="{place}/html"></iframe>')
    if body.text:
        parts.append(f"<h2>Text</h2><pre>{escape(body.text)}</pre>")
    if files:
        parts.append(f"<h2>Attachments</h2><ul>{files}</ul><p>The source contains them.</p>")
    return _page(message.subject or "(no subject)", "".join(parts))


def messages_json(messages: Sequence[CaughtMessage]) -> str:
    return json.dumps([asdict(item) for item in messages])


def message_json(message: CaughtMessage, content: bytes) -> str:
    """For test suites, which read links and codes from mail."""
    body = read_body(content)
    return json.dumps({**asdict(message), "text": body.text, "html": body.html})


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )


def _time(message: CaughtMessage) -> str:
    return datetime.fromtimestamp(message.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

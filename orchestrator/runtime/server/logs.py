"""What ephd writes to its log: one line per event (a decision, an operation with its duration, who did what), and what
goes wrong inside. As text for people, or as one JSON object per line for log collectors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from orchestrator.ledger.port import Event

server_log = logging.getLogger("eph")
events_log = logging.getLogger("eph.events")
CHATTY = ("httpx", "httpx2", "alembic")
"""Libraries that log every request."""


def configure(log_format: Literal["text", "json"], level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def warn(sentences: Iterable[str]) -> None:
    """What an operator should change."""
    for sentence in sentences:
        server_log.warning("%s", sentence)


def log_event(event: Event) -> None:
    level = logging.WARNING if event.kind.endswith(".failed") else logging.INFO
    text = ": ".join(filter(None, (f"{event.kind} {event.subject}".rstrip(), event.message)))
    by = "" if event.actor == "eph" else f" (by {event.actor})"
    events_log.log(level, "%s%s", text, by, extra={"event": event})


class _TextFormatter(logging.Formatter):
    """Control characters are escaped: what a repository writes can't look like another line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        line = super().formatMessage(record)
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": at, "level": record.levelname.lower(), "logger": record.name}
        event = getattr(record, "event", None)
        if isinstance(event, Event):
            line |= {"event": event.kind, "subject": event.subject, "actor": event.actor, "message": event.message}
            line |= {f"data.{key}": value for key, value in event.data.items()}
        else:
            line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)

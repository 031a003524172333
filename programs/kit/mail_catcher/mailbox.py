"""The caught messages: a file each, bounded in number and size. The oldest ones make room."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from pathlib import Path

MAX_MESSAGE_BYTES = 10 * 1024 * 1024
MAX_MESSAGES = 200
MAX_TOTAL_BYTES = 100 * 1024 * 1024
MAX_TEXT = 500
MAX_RECIPIENTS = 50


@dataclass(frozen=True, slots=True)
class CaughtMessage:
    """``sender`` and ``recipients`` are those of the envelope. ``at`` is in seconds since the epoch."""

    number: int
    at: float
    sender: str
    recipients: tuple[str, ...]
    subject: str
    size: int


class Mailbox:
    """Safe for concurrent use. A new one reads what an earlier one kept."""

    def __init__(self, folder: Path, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._folder = folder
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._messages = {item.number: item for item in map(_read_note, sorted(folder.glob("*.json"))) if item}
        self._last = max(self._messages, default=0)

    def add(self, sender: str, recipients: Sequence[str], content: bytes, at: float | None = None) -> CaughtMessage:
        with self._lock:
            self._last += 1
            shown = tuple(text[:MAX_TEXT] for text in recipients[:MAX_RECIPIENTS])
            when = time.time() if at is None else at
            added = CaughtMessage(self._last, when, sender[:MAX_TEXT], shown, _subject(content), len(content))
            self._path(added.number, "eml").write_bytes(content)
            self._path(added.number, "json").write_text(json.dumps(asdict(added)))
            self._messages[added.number] = added
            self._make_room()
            return added

    def newest_first(self) -> list[CaughtMessage]:
        with self._lock:
            return sorted(self._messages.values(), key=lambda item: -item.number)

    def find(self, number: int) -> tuple[CaughtMessage, bytes] | None:
        with self._lock:
            found = self._messages.get(number)
            try:
                return (found, self._path(number, "eml").read_bytes()) if found else None
            except FileNotFoundError:
                return None

    def _make_room(self) -> None:
        total = sum(item.size for item in self._messages.values())
        for number in sorted(self._messages):
            if len(self._messages) <= self._max_messages and total <= self._max_bytes:
                return
            total -= self._messages.pop(number).size
            for ending in ("json", "eml"):
                self._path(number, ending).unlink(missing_ok=True)

    def _path(self, number: int, ending: str) -> Path:
        return self._folder / f"{number:08}.{ending}"


def _read_note(path: Path) -> CaughtMessage | None:
    """None if it was being written when the server was killed."""
    try:
        data = json.loads(path.read_text())
        return CaughtMessage(**{**data, "recipients": tuple(data["recipients"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _subject(content: bytes) -> str:
    try:
        raw = BytesHeaderParser().parsebytes(content[: 64 * 1024]).get("Subject", "")
        return str(make_header(decode_header(str(raw))))[:MAX_TEXT]
    except Exception:  # noqa: BLE001 - the parser raises various errors for malformed messages
        return ""

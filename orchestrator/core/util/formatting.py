"""Formats durations, times, commits, lists and counts for people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from stacks import keys
from stacks.model import Key, RefKind, StackRef


def commit(sha: str) -> str:
    return sha[:7] or "no commit"


def reference(repository_name: str, key: Key, ref_name: str) -> str:
    """``acme/shop#42``; for a branch or a tag ``acme/shop@main``, for a label deploy ``acme/shop:feat-x``. Without a
    name it shows the stack name."""
    if key.kind is RefKind.PULL:
        return f"{repository_name}#{key.number}"
    mark = ":" if key.kind is RefKind.DEPLOY else "@"
    return f"{repository_name}{mark}{ref_name or keys.stack_name(key)}"


def duration(span: timedelta) -> str:
    """``3 h 20 min``, ``2 days 4 h``, ``45 s``: the two largest units, never negative."""
    seconds = max(0, int(span.total_seconds()))
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    units = [(days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((index for index, (amount, _) in enumerate(units) if amount), 3)
    return " ".join(f"{amount} {unit}" for amount, unit in units[first : first + 2] if amount) or "0 s"


def timestamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S %Z").strip()


def format_time(at: datetime) -> str:
    """Absolute, to the minute: a relative time would need an edit every minute."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def join_words(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``, sorted."""
    words = sorted(items)
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1] if words else "") if part)


def count(number: int, singular: str, plural: str = "") -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def pulumi_name(ref: StackRef) -> str:
    """A stack's full name in a self-managed Pulumi backend."""
    return f"organization/{ref.project}/{ref.stack}"

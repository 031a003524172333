"""While the server is paused."""

from __future__ import annotations

from datetime import datetime

from orchestrator.core.util import formatting

RESUME = "eph server resume"


def paused(by: str, at: datetime | None, reason: str) -> str:
    """``paused by ana since 2026-11-29 10:32 UTC (kernel update)``"""
    who = f" by {by}" if by else ""
    since = f" since {formatting.format_time(at)}" if at is not None else ""
    return f"paused{who}{since}{f' ({reason})' if reason else ''}"


def note(paused: str) -> str:
    return f"This server is {paused}. It starts nothing until `{RESUME}`; running previews keep responding."


def waits(paused: str, reason: str) -> str:
    return f"the server is {paused}; once it resumes: {reason}"

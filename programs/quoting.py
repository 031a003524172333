"""Untrusted text in messages. Imports nothing, because the gateway's start waits for it."""

from __future__ import annotations

MAX_QUOTED = 60


def escape(text: str, limit: int) -> str:
    """Text on one line without unprintable characters, cut to ``limit`` characters of the original."""
    shown = "".join(_escape_character(character) for character in text[:limit])
    return f"{shown}…" if len(text) > limit else shown


def quote(value: object) -> str:
    """User input in quotes, shortened and escaped."""
    return f"'{escape(str(value), MAX_QUOTED)}'"


def _escape_character(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()

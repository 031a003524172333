"""Building blocks of an adapter's settings: a table of eph.toml, its value types, and the error for a wrong value.

This is in ``programs`` because targets and Git hosts declare their tables with it, and the server's settings are
assembled from those.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_settings import NoDecode

MAX_QUOTED = 60
MAX_KEY = 20


class InvalidValue(ValueError):
    """An invalid value: what is wrong with it, and what to write instead. ``path`` points to a value inside it."""

    def __init__(self, message: str, expected: str = "", path: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{message}; {expected}" if expected else message)
        self.message = message
        self.expected = expected
        self.path = path


class SettingsTable(BaseModel):
    """A table of eph.toml. The description of each field becomes its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def escape(text: str, limit: int) -> str:
    """Text on one line without unprintable characters, cut to ``limit`` characters of the original."""
    shown = "".join(_escape_character(letter) for letter in text[:limit])
    return f"{shown}…" if len(text) > limit else shown


def quote(value: object) -> str:
    """User input in quotes, shortened and escaped."""
    return f"'{escape(str(value), MAX_QUOTED)}'"


def _escape_character(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()


def _split_commas(value: Any) -> Any:
    return tuple(item.strip() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


CommaSeparated = (NoDecode, BeforeValidator(_split_commas))
"""Lets an environment variable contain a list: ``EPH_FORGE__REPOSITORIES=acme/shop,acme/pay``."""
StringList = Annotated[tuple[str, ...], *CommaSeparated]

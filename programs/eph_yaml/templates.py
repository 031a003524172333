"""Names and tags with placeholders: ``{project}-{words}-{number}``, ``pr-{pr_number}-{commit_sha:0:7}``.

This is a separate parser because ``str.format`` would let a pull request read attributes of our objects. A placeholder
is a known name, optionally with a Python-style slice (``{commit_sha:0:7}``, ``{branch::20}``). Nothing else is
supported, and braces can't be escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from programs.eph_yaml import wording
from programs.quoting import escape
from programs.settings import MAX_KEY, InvalidValue

PLACEHOLDERS = ("project", "words", "number", "pr_number", "branch", "ref_type", "ref_name", "commit_sha")
MAX_TEMPLATE_LENGTH = 200
_PLACEHOLDER = re.compile(r"([A-Za-z_]+)(?::([0-9]{0,3}):([0-9]{0,3}))?")
_BRACES = re.compile(r"\{([A-Za-z_:0-9]{1,40})\}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """``{commit_sha:0:7}``: the name and its slice. An omitted bound is None."""

    name: str
    start: int | None = None
    end: int | None = None

    @property
    def is_whole(self) -> bool:
        return self.start is None and self.end is None


TemplatePart = str | Placeholder


@lru_cache(maxsize=256)
def parse_template(text: str) -> tuple[TemplatePart, ...]:
    """Splits a template. Raises ``InvalidValue`` with the position of the error, counted from 1."""
    if len(text) > MAX_TEMPLATE_LENGTH:
        raise InvalidValue(wording.template_too_long(len(text)), wording.use_at_most(MAX_TEMPLATE_LENGTH))
    parts: list[TemplatePart] = []
    position = 0
    while position < len(text):
        opened = _next_brace(text, position)
        if opened > position:
            parts.append(text[position:opened])
        if opened == len(text):
            break
        closed = text.find("}", opened)
        if text[opened] == "}" or closed < 0:
            raise InvalidValue(wording.single_brace(text[opened], opened + 1), wording.PLACEHOLDER_EXAMPLE)
        parts.append(_parse_placeholder(text[opened + 1 : closed], opened + 1))
        position = closed + 1
    return tuple(parts)


def render(text: str, values: Mapping[str, str]) -> str:
    """Fills in the placeholders. Raises ``InvalidValue`` for one without a value."""
    return "".join(part if isinstance(part, str) else _value(part, values) for part in parse_template(text))


def is_placeholder(inside: str) -> bool:
    """Whether ``{inside}`` is a placeholder of a template, with or without a slice."""
    found = _PLACEHOLDER.fullmatch(inside)
    return found is not None and found[1] in PLACEHOLDERS


def fill_known(text: str, values: Mapping[str, str]) -> str:
    """Fills in the placeholders of a template and leaves all other braces as they are: the text may be JSON."""
    return _BRACES.sub(lambda found: render(found[0], values) if is_placeholder(found[1]) else found[0], text)


def placeholders(text: str) -> tuple[Placeholder, ...]:
    return tuple(part for part in parse_template(text) if isinstance(part, Placeholder))


def max_length(text: str, lengths: Mapping[str, int]) -> int:
    """The maximum length of a rendering when each value is at most as long as ``lengths`` says."""
    return sum(
        len(part) if isinstance(part, str) else len(("x" * lengths[part.name])[part.start : part.end])
        for part in parse_template(text)
    )


def _next_brace(text: str, start: int) -> int:
    return min((at for at in (text.find("{", start), text.find("}", start)) if at >= 0), default=len(text))


def _parse_placeholder(text: str, position: int) -> Placeholder:
    found = _PLACEHOLDER.fullmatch(text)
    name = found[1] if found else text.partition(":")[0]
    if name not in PLACEHOLDERS:
        close = get_close_matches(name[:50], PLACEHOLDERS, n=1)
        hint = wording.did_you_mean(close[0]) if close else wording.known_placeholders(PLACEHOLDERS)
        raise InvalidValue(wording.unknown_placeholder(escape(name, MAX_KEY), position), hint)
    if found is None:
        raise InvalidValue(wording.invalid_slice(name, position), wording.slice_example(name))
    return Placeholder(name, _slice_bound(found[2]), _slice_bound(found[3]))


def _slice_bound(text: str | None) -> int | None:
    return int(text) if text else None


def _value(part: Placeholder, values: Mapping[str, str]) -> str:
    if part.name not in values:
        raise InvalidValue(wording.no_value(part.name), wording.USE_OTHER_PLACEHOLDER)
    return values[part.name][part.start : part.end]

"""Globs for branches, tags, paths and checks: ``*`` is any text without a slash, ``**`` any text, ``?`` one character.

They come from pull requests, so matching must be safe: it walks along the text with the set of possible positions in
the pattern, which takes at most pattern times text steps. All other characters are literal.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_STARS = ("*", "**")


def matches(pattern: str, text: str) -> bool:
    parts = _tokenize(pattern)
    places = _closure({0}, parts)
    for sign in text:
        places = _closure({after for place in places for after in _step(parts, place, sign)}, parts)
        if not places:
            return False
    return len(parts) in places


def any_matches(patterns: Iterable[str], text: str) -> bool:
    return any(matches(pattern, text) for pattern in patterns)


def has_wildcard(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def literal_prefix(pattern: str) -> str:
    """The literal text that every match starts with."""
    ends = [at for at in (pattern.find("*"), pattern.find("?")) if at >= 0]
    return pattern[: min(ends)] if ends else pattern


@lru_cache(maxsize=1024)
def _tokenize(pattern: str) -> tuple[str, ...]:
    """One token per character; two or more stars are one token. ``docs/**/`` also matches ``docs/``."""
    parts: list[str] = []
    for sign in pattern:
        if sign == "*" and parts and parts[-1] in _STARS:
            parts[-1] = "**"
        else:
            parts.append(sign)
    return tuple(parts)


def _closure(positions: set[int], tokens: tuple[str, ...]) -> set[int]:
    """Add positions reachable without a character: stars match empty text, and ``**/`` matches no folder."""
    found, fresh = set(positions), list(positions)
    while fresh:
        place = fresh.pop()
        if place >= len(tokens) or tokens[place] not in _STARS:
            continue
        further = [place + 1]
        if (
            tokens[place] == "**"
            and tokens[place + 1 : place + 2] == ("/",)
            and tokens[place - 1 : place] in ((), ("/",))
        ):
            further.append(place + 2)
        fresh += [each for each in further if each not in found]
        found.update(further)
    return found


def _step(tokens: tuple[str, ...], position: int, character: str) -> tuple[int, ...]:
    if position >= len(tokens):
        return ()
    match tokens[position]:
        case "**":
            return (position,)
        case "*":
            return (position,) if character != "/" else ()
        case "?":
            return (position + 1,) if character != "/" else ()
        case part:
            return (position + 1,) if part == character else ()

"""The operator's selection of repositories: ``owner/name``, ``owner/shop-*``, ``owner/*``.

An exact name is looked up; a pattern is matched against every accessible repository. The owner is always required,
because strangers can install an App, and their repositories must not be served.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

EXACT = re.compile(r"[A-Za-z0-9._-]+/(?!\.{1,2}$)[A-Za-z0-9._-]+")
PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._*-]*\*[A-Za-z0-9._*-]*")


@dataclass(frozen=True, slots=True)
class Selection:
    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    owners: frozenset[str] = field(default=frozenset(), init=False)
    """In lowercase, because Git hosts ignore case."""

    def __post_init__(self) -> None:
        found = {item.partition("/")[0].lower() for item in (*self.names, *self.patterns)}
        object.__setattr__(self, "owners", frozenset(found))

    def matching(self, full_name: str) -> str:
        """The pattern that matches it; empty if none does."""
        return next((item for item in self.patterns if fnmatchcase(full_name.lower(), item.lower())), "")

    def names_of(self, owner: str) -> list[str]:
        return [name for name in self.names if _owner(name) == owner.lower()]


def parse(repositories: Iterable[str], organizations: Iterable[str] = ()) -> Selection:
    wanted = [*repositories, *(f"{owner}/*" for owner in organizations)]
    wrong = [item for item in wanted if not (EXACT.fullmatch(item) or PATTERN.fullmatch(item))]
    if wrong:
        raise ValueError(
            f"invalid repositories: {', '.join(map(repr, sorted(wrong)))}; use owner/name or owner/pattern"
        )
    exact = tuple(dict.fromkeys(item for item in wanted if EXACT.fullmatch(item)))
    return Selection(exact, tuple(dict.fromkeys(item for item in wanted if not EXACT.fullmatch(item))))


def _owner(item: str) -> str:
    return item.partition("/")[0].lower()

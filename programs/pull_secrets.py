"""Which Docker configuration file has the registry credentials of a repository.

A file for one team must not let another team's pull requests read or run its private images. Entries are
``REPOSITORY=FILE``; the repository can contain ``*``. The first match counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from programs import wording


class InvalidPullSecret(ValueError):
    """An entry isn't ``REPOSITORY=FILE``; the message says so."""


def parse(entries: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Pattern and file of each entry."""
    found = []
    for entry in entries:
        pattern, separator, file = entry.partition("=")
        if not (pattern and separator and file):
            raise InvalidPullSecret(wording.invalid_pull_secret(entry))
        found.append((pattern, file))
    return tuple(found)


def first_match(pairs: Iterable[tuple[str, str]], repository: str) -> str:
    """The file of the first pattern that matches; empty if none does. Git hosts ignore case in names."""
    return next((file for pattern, file in pairs if fnmatchcase(repository.lower(), pattern.lower())), "")

"""Natural sort order: v1.10 comes after v1.9."""

from __future__ import annotations

import re


def sort_key(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A sort key; the newest version is the greatest."""
    parts = re.split(r"([0-9]{1,18})", name)
    return tuple((part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts if part)

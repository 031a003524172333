"""Hidden lines at the end of Eph's comment, which Eph reads back from the Git host.

``marker`` identifies the comment. ``approvable`` names the commit that the comment offers for approval, with its whole
SHA: what the comment said, and since when, is then known from the Git host alone, by its own clock.
"""

from __future__ import annotations

import re

from stacks import keys
from stacks.model import Key

_APPROVABLE = re.compile(r"<!-- eph:approvable ([0-9a-f]{40,64}) -->\s+<!-- eph:\d+/\d+ -->\s*\Z")
"""Only at the very end: logs further up contain what a pull request's code printed."""


def marker(key: Key) -> str:
    return f"<!-- eph:{key.repository}/{keys.to_number(key)} -->"


def approvable(commit: str) -> str:
    return f"<!-- eph:approvable {commit} -->"


def parse_approvable(body: str) -> str:
    """The commit that the comment offers for approval; empty if it offers none."""
    found = _APPROVABLE.search(body)
    return found[1] if found else ""

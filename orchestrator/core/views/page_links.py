"""The tabs of an environment's page on the dashboard, and links to them."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlencode

COMMIT_LENGTH = 12
"""Digits of a commit in a link."""
MARKED_LINE = "line"
"""The anchor of the first line that a link marks."""


class PageTab(StrEnum):
    OVERVIEW = "overview"
    LOGS = "logs"
    TESTS = "tests"
    RESOURCES = "resources"
    DATABASE = "database"
    VARIABLES = "variables"
    COST = "cost"
    HISTORY = "history"


def tab_url(page_url: str, tab: PageTab, anchor: str = "") -> str:
    """``page_url``: the environment's page. ``anchor``: a section of the tab."""
    query = "" if tab is PageTab.OVERVIEW else f"?tab={tab}"
    return f"{page_url}{query}{f'#{anchor}' if anchor else ''}"


def line_url(page_url: str, commit: str, position: str) -> str:
    """The logs of a commit with the lines at this position marked and visible. ``commit``: its first digits; empty: the
    newest."""
    query = {"tab": PageTab.LOGS, **({"commit": commit} if commit else {}), "line": position}
    return f"{page_url}?{urlencode(query)}#{MARKED_LINE}"

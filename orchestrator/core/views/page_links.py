"""The tabs of an environment's page on the dashboard, and links to them."""

from __future__ import annotations

from enum import StrEnum


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

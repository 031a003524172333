"""What the bar shows of an environment, as ephd wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BarFacts:
    """``expires_at`` is in seconds since the epoch; 0: it doesn't expire. ``page_url``: its page on the dashboard;
    empty: there is none."""

    environment: str
    commit: str = ""
    expires_at: float = 0.0
    page_url: str = ""
    pull_url: str = ""


def parse(environment: str, data: object) -> BarFacts | None:
    """None: its eph.yaml doesn't ask for a bar, or what was written isn't one."""
    if not isinstance(data, Mapping):
        return None
    expires_at = data.get("expires_at")
    return BarFacts(
        environment,
        _text(data, "commit"),
        float(expires_at) if isinstance(expires_at, int | float) else 0.0,
        _web_url(_text(data, "page_url")),
        _web_url(_text(data, "pull_url")),
    )


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _web_url(url: str) -> str:
    """Only links that a browser opens as a page: never ``javascript:``."""
    return url if url.startswith(("https://", "http://")) else ""

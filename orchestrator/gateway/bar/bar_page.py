"""The bar's HTML. It needs no script, and neither reads nor changes the page.

It is a custom element with a declarative shadow root, so the page's style sheets don't apply to it, and its own doesn't
apply to the page. It is hidden until its style sheet applies: where the page forbids that, nothing is seen. It contains
links only, to the pull request and the dashboard, which asks the person to confirm any change: the page's scripts can
do anything with the bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from jinja2 import Environment

from orchestrator.gateway import wording
from orchestrator.gateway.bar.bar_facts import BarFacts
from orchestrator.gateway.bar.bar_rules import STYLE_PATH, BarStyle

_FOLDER = Path(__file__).parent
_TEMPLATE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    (_FOLDER / "bar.html").read_text(encoding="utf-8")
)
STYLE = (_FOLDER / "bar.css").read_text(encoding="utf-8")
MAX_PATH = 500


@dataclass(frozen=True, slots=True)
class _Link:
    name: str
    url: str


def render(facts: BarFacts, path: str, now: float, style: BarStyle) -> bytes:
    """ASCII, so that it is valid in the page's charset. ``path``: the page's, for the form that reports a problem."""
    text = _TEMPLATE.render(
        facts=facts,
        links=_links(facts, path),
        expiry=wording.expiry(facts.expires_at - now) if facts.expires_at else "",
        expires_at=_timestamp(facts.expires_at),
        style=STYLE if style is BarStyle.INLINE else "",
        style_path=STYLE_PATH,
        label=wording.BAR_LABEL,
    )
    return text.encode("ascii", "xmlcharrefreplace")


def _links(facts: BarFacts, path: str) -> list[_Link]:
    found = []
    if facts.page_url:
        base, about = facts.page_url.rsplit("/e/", 1)[0], {"environment": facts.environment}
        found = [
            _Link(wording.BAR_LOGS, f"{facts.page_url}#logs"),
            _Link(wording.BAR_PAGE, facts.page_url),
            _Link(wording.BAR_SHARE, f"{base}/shares?{urlencode(about)}"),
            _Link(wording.BAR_EXTEND, f"{facts.page_url}#actions"),
        ]
    if facts.pull_url:
        found.append(_Link(wording.BAR_PULL, facts.pull_url))
    if facts.page_url and facts.pull_url:
        shown = quote(path[:MAX_PATH], safe="/%:@!$&'()*+,;=~-._")
        found.append(_Link(wording.BAR_REPORT, f"{base}/report?{urlencode({**about, 'path': shown})}"))
    return found


def _timestamp(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""
    except (ValueError, OverflowError, OSError):
        return ""

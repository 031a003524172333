"""How values are displayed on a page; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import quote, urlsplit

from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.page_links import PageTab, line_url, tab_url
from orchestrator.core.views.phases import Phase
from programs.costs import format_money
from stacks import keys

PHASE_TONES: Mapping[Phase, str] = {
    Phase.READY: "good",
    Phase.FAILED: "bad",
    Phase.STALLED: "bad",
    Phase.REFUSED: "bad",
    Phase.UNHEALTHY: "bad",
    Phase.HELD: "warn",
    Phase.EXPIRED: "warn",
    Phase.QUEUED: "calm",
    Phase.WAITING: "calm",
    Phase.IMAGE: "calm",
    Phase.ASLEEP: "calm",
    Phase.DESTROYED: "calm",
    Phase.CREATING: "busy",
    Phase.UPDATING: "busy",
    Phase.STARTING: "busy",
    Phase.DESTROYING: "busy",
}


def sort_key(view: EnvironmentView) -> tuple[bool, str, int, str]:
    """Held environments come first: nothing happens to them until a person acts."""
    newest_first = -keys.to_number(view.key) if view.key else 0
    return (view.phase is not Phase.HELD, view.repository, newest_first, str(view.ref))


def tone(phase: Phase) -> str:
    return PHASE_TONES[phase]


def suite_tone(state: str) -> str:
    return {"passed": "good", "failed": "bad", "skipped": "calm"}.get(state, "busy")


def process_tone(state: str) -> str:
    """The tone of a process's state."""
    return {"running": "good", "failing": "bad", "unknown": "bad", "starting": "busy"}.get(state, "calm")


def step_tone(state: str) -> str:
    return {"succeeded": "good", "failed": "bad", "running": "busy"}.get(state, "calm")


def age(at: datetime | None, now: datetime) -> str:
    return format_duration(max((now - at).total_seconds(), 0)) if at else ""


def ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    return f"{format_duration(seconds)} ago" if seconds >= 0 else f"in {format_duration(-seconds)}"


def format_duration(seconds: float) -> str:
    """The largest unit of which there are at least two, days only from four: 45 s, 12 min, 71 h, 5 d."""
    for unit, size, least in (("d", 86400, 4), ("h", 3600, 2), ("min", 60, 2)):
        if seconds >= least * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def format_bytes(size: float) -> str:
    """As in eph.yaml, with powers of 1024: 512 Ki, 1.5 Gi."""
    for unit in ("B", "Ki", "Mi"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} Gi"


def web_link(url: str) -> str:
    """The URL if it is safe to click, otherwise empty: a pull request could contain ``javascript:``."""
    return url if urlsplit(url).scheme in ("http", "https") else ""


def path(name: str) -> str:
    return f"/e/{quote(name)}"


def tab_path(page: str, tab: str) -> str:
    return tab_url(page, PageTab(tab))


def line_path(page: str, position: str, commit: str = "") -> str:
    return line_url(page, commit, position)


def app_path(repository: str) -> str:
    return f"/apps/{quote(repository)}"


FILTERS: Mapping[str, Callable[..., str]] = {
    "tone": tone,
    "verdict": suite_tone,
    "ago": ago,
    "age": age,
    "pulse": process_tone,
    "step_tone": step_tone,
    "web_link": web_link,
    "bytes": format_bytes,
    "path": path,
    "tab_url": tab_path,
    "line_url": line_path,
    "app_path": app_path,
    "number": display_name,
    "money": format_money,
}

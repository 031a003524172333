"""What people see while a preview has no answer of its own: one small page, no scripts, nothing loaded from elsewhere.

Everything that comes from outside (titles, messages, progress) is escaped by the template. Who asks for JSON gets the
same facts as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import hdrs, web
from jinja2 import Environment

from orchestrator.core.views.phases import Phase
from orchestrator.gateway.headers import NO_ROBOTS, ROBOTS_HEADER
from orchestrator.gateway.route_directory import PreviewState

_TEMPLATE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    Path(__file__).with_name("page.html").read_text(encoding="utf-8")
)
REFRESH_SECONDS = 2
WAKING_RETRY_SECONDS = 5
FAILED_RETRY_SECONDS = 30
JSON_HEADERS: Mapping[str, str] = {"Accept": "application/json"}
"""What was asked by a program is answered as to one, whatever it says that it accepts."""
_BASE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
_POLICY = _BASE_POLICY + "form-action 'none'; frame-ancestors 'self'"
# No frame: a page of another preview must not put its own words around the field for the token.
_FORM_POLICY = _BASE_POLICY + "form-action 'self'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class HoldingPage:
    """``tone``: busy, calm or bad; it colours the dot. ``retry_after`` in seconds; ``refresh`` reloads by itself.
    ``form``: the path that a person who signs in comes back to."""

    status: int
    title: str
    text: str
    tone: str = "calm"
    retry_after: int = 0
    refresh: bool = False
    form: str = ""


@dataclass(frozen=True, slots=True)
class _PhasePage:
    status: int
    title: str
    text: str
    tone: str


_CREATING = _PhasePage(503, "This preview is being made", "It opens here by itself as soon as it answers.", "busy")
_FAILED = _PhasePage(502, "This preview could not be made", "The pull request says what failed and why.", "bad")
_GONE = _PhasePage(410, "This preview is gone", "It was taken down and everything in it removed.", "calm")
_PHASE_PAGES: Mapping[Phase, _PhasePage] = {
    Phase.QUEUED: _PhasePage(
        503, "This preview waits for its turn", "Others are being made; it is in the queue.", "busy"
    ),
    Phase.WAITING: _PhasePage(503, "This preview is about to be made", "It is wanted, and starts soon.", "busy"),
    Phase.IMAGE: _PhasePage(503, "This preview waits for its image", "It is made as soon as CI has pushed it.", "busy"),
    Phase.CREATING: _CREATING,
    Phase.UPDATING: _PhasePage(503, "This preview is being updated", "It opens here by itself in a moment.", "busy"),
    Phase.STARTING: _PhasePage(503, "This preview is starting", "It is made, and does not answer yet.", "busy"),
    Phase.READY: _PhasePage(503, "This preview is starting", "It opens here by itself in a moment.", "busy"),
    Phase.UNHEALTHY: _PhasePage(503, "This preview does not answer", "It is being brought back.", "busy"),
    Phase.FAILED: _FAILED,
    Phase.STALLED: _FAILED,
    Phase.REFUSED: _PhasePage(502, "This preview was not made", "The pull request says what has to change.", "bad"),
    Phase.HELD: _PhasePage(502, "This preview is on hold", "An operator has to look at it.", "bad"),
    Phase.ASLEEP: _PhasePage(503, "This preview is asleep", "It was not used for a while.", "calm"),
    Phase.EXPIRED: _PhasePage(
        410, "This preview has expired", "Its time ran out; the pull request says how to go on.", "calm"
    ),
    Phase.DESTROYING: _GONE,
    Phase.DESTROYED: _GONE,
}


def for_state(state: PreviewState) -> HoldingPage:
    kind = _PHASE_PAGES[state.phase]
    waiting = kind.tone == "busy"
    again = REFRESH_SECONDS if kind.status == 503 else 0
    return HoldingPage(kind.status, kind.title, kind.text, kind.tone, again, waiting)


def asleep() -> HoldingPage:
    kind = _PHASE_PAGES[Phase.ASLEEP]
    return HoldingPage(kind.status, kind.title, kind.text, kind.tone, WAKING_RETRY_SECONDS)


def waking() -> HoldingPage:
    text = "It slept, because nobody used it. It is being started, and opens here by itself in a moment."
    return HoldingPage(503, "This preview is waking up", text, "busy", REFRESH_SECONDS, True)


def still_waking() -> HoldingPage:
    return HoldingPage(
        503, "This preview is waking up", "It is not awake yet. Ask again.", "busy", WAKING_RETRY_SECONDS
    )


def wake_failed(sentence: str) -> HoldingPage:
    text = f"It was started again, and does not answer. {sentence}".strip()
    return HoldingPage(503, "This preview could not be woken", text, "bad", FAILED_RETRY_SECONDS)


def unknown() -> HoldingPage:
    return HoldingPage(
        404, "No preview here", "No preview has this name. It may have been taken down, or the link is wrong."
    )


def too_many(wait: float) -> HoldingPage:
    return HoldingPage(
        429, "Too many tries", f"Too many unknown names were asked for. Try again in {wait:.0f} s.", "bad", int(wait)
    )


def sign_in(failed_before: bool, return_path: str) -> HoldingPage:
    text = (
        "That token does not open this preview. Try again." if failed_before else "This preview asks people to sign in."
    )
    return HoldingPage(401, "Sign in", text, "bad" if failed_before else "calm", form=return_path)


def too_many_tokens(wait: float) -> HoldingPage:
    text = f"Too many wrong tokens were tried. Try again in {wait:.0f} s."
    return HoldingPage(429, "Too many tries", text, "bad", int(wait))


def no_token() -> HoldingPage:
    text = "This preview asks people to sign in, and the server has no token for it. Tell its operator to restart ephd."
    return HoldingPage(503, "Nobody can sign in", text, "bad")


def bad_host(sentence: str) -> HoldingPage:
    return HoldingPage(400, "No host name", sentence, "bad")


def no_answer(sentence: str) -> HoldingPage:
    text = f"The service behind this address is starting or has stopped. {sentence}"
    return HoldingPage(502, "No answer yet", text, "busy", REFRESH_SECONDS, True)


def service_down(sentence: str) -> HoldingPage:
    return HoldingPage(502, "Eph itself does not answer", f"Is ephd running? {sentence}", "bad", REFRESH_SECONDS, True)


def cross_origin() -> HoldingPage:
    return HoldingPage(403, "Not from there", "Only Eph's own pages may change things here from a browser.", "bad")


def overloaded() -> HoldingPage:
    return HoldingPage(
        503, "Too busy", "The gateway has as many requests open as it may. Try again soon.", "bad", REFRESH_SECONDS
    )


def method_not_allowed() -> HoldingPage:
    return HoldingPage(405, "Not possible here", "The gateway passes on neither CONNECT nor TRACE.", "bad")


def render(
    page: HoldingPage, headers: Mapping[str, str], host: str = "", state: PreviewState | None = None
) -> web.Response:
    """``headers`` are the request's: they tell whether a person or a program asks."""
    answer = _as_json(page, host, state) if _wants_json(headers) else _as_html(page, host, state)
    answer.headers.update({hdrs.CACHE_CONTROL: "no-store", hdrs.SERVER: "eph", ROBOTS_HEADER: NO_ROBOTS})
    if page.retry_after:
        answer.headers[hdrs.RETRY_AFTER] = str(page.retry_after)
    return answer


def _as_html(page: HoldingPage, host: str, state: PreviewState | None) -> web.Response:
    text = _TEMPLATE.render(page=page, host=host, state=state, link=_link(state), seconds=REFRESH_SECONDS)
    rules = _FORM_POLICY if page.form else _POLICY
    policy = {"Content-Security-Policy": rules, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
    return web.Response(status=page.status, text=text, content_type="text/html", headers=policy)


def _as_json(page: HoldingPage, host: str, state: PreviewState | None) -> web.Response:
    data = {"status": page.status, "error": page.title, "message": page.text, "host": host}
    if state is not None:
        data |= {
            "environment": state.environment,
            "phase": str(state.phase),
            "detail": state.message,
            "progress": state.progress,
            "commit": state.commit,
            "pull_url": _link(state),
        }
    return web.Response(status=page.status, text=json.dumps(data) + "\n", content_type="application/json")


def _wants_json(headers: Mapping[str, str]) -> bool:
    accepted = headers.get(hdrs.ACCEPT, "")
    return "application/json" in accepted and "text/html" not in accepted


def _link(state: PreviewState | None) -> str:
    """Only what a browser opens as a page: never ``javascript:``."""
    url = state.pull_url if state is not None else ""
    return url if url.startswith(("https://", "http://")) else ""

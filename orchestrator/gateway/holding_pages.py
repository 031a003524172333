"""The pages that people see while a preview has no response of its own: small, without scripts or external resources.

The template escapes everything that comes from outside (titles, messages, progress). Clients that request JSON get the
same facts as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import hdrs, web
from jinja2 import Environment

from orchestrator.core.views.phases import Phase
from orchestrator.gateway.operation_output import NOTHING
from orchestrator.gateway.proxy.headers import NO_ROBOTS, ROBOTS_HEADER
from orchestrator.gateway.route_directory import PreviewState

_TEMPLATE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    Path(__file__).with_name("page.html").read_text(encoding="utf-8")
)
REFRESH_SECONDS = 2
WAKING_RETRY_SECONDS = 5
FAILED_RETRY_SECONDS = 30
JSON_HEADERS: Mapping[str, str] = {"Accept": "application/json"}
"""These clients get a response for programs, whatever they accept."""
_BASE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
_POLICY = _BASE_POLICY + "form-action 'none'; frame-ancestors 'self'"
# No frames: another preview's page must not surround the token field with its own text.
_FORM_POLICY = _BASE_POLICY + "form-action 'self'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class HoldingPage:
    """``tone``: busy, calm or bad; it sets the dot's colour. ``retry_after`` is in seconds; ``refresh`` reloads the
    page automatically. ``form``: the path to return to after sign-in."""

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


_CREATING = _PhasePage(503, "Creating this preview", "This page reloads when it is ready.", "busy")
_FAILED = _PhasePage(502, "This preview failed", "See the comment on the pull request for details.", "bad")
_GONE = _PhasePage(410, "This preview no longer exists", "It was destroyed, including its data.", "calm")
_PHASE_PAGES: Mapping[Phase, _PhasePage] = {
    Phase.QUEUED: _PhasePage(503, "This preview is queued", "It is in the queue behind other previews.", "busy"),
    Phase.WAITING: _PhasePage(503, "This preview is waiting", "It will be created soon.", "busy"),
    Phase.IMAGE: _PhasePage(
        503, "This preview is waiting for its image", "It is created as soon as CI has pushed the image.", "busy"
    ),
    Phase.CREATING: _CREATING,
    Phase.UPDATING: _PhasePage(503, "Updating this preview", "This page reloads in a moment.", "busy"),
    Phase.STARTING: _PhasePage(503, "This preview is starting", "It is deployed but not ready yet.", "busy"),
    Phase.READY: _PhasePage(503, "This preview is starting", "This page reloads in a moment.", "busy"),
    Phase.UNHEALTHY: _PhasePage(503, "This preview is not responding", "Eph is restoring it.", "busy"),
    Phase.FAILED: _FAILED,
    Phase.STALLED: _FAILED,
    Phase.REFUSED: _PhasePage(
        502, "This preview was not created", "See the comment on the pull request for what to change.", "bad"
    ),
    Phase.HELD: _PhasePage(502, "This preview is on hold", "It needs an operator's attention.", "bad"),
    Phase.ASLEEP: _PhasePage(503, "This preview is asleep", "It was idle for a while.", "calm"),
    Phase.EXPIRED: _PhasePage(
        410, "This preview has expired", "See the comment on the pull request for how to recreate it.", "calm"
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
    text = "It was asleep because it was idle. It is starting now, and this page reloads in a moment."
    return HoldingPage(503, "This preview is waking up", text, "busy", REFRESH_SECONDS, True)


def paused() -> HoldingPage:
    text = "Eph is paused at the moment, so this preview can't wake up. It wakes up when Eph resumes."
    return HoldingPage(503, "This preview is asleep", text, "calm", WAKING_RETRY_SECONDS)


def still_waking() -> HoldingPage:
    return HoldingPage(
        503, "This preview is waking up", "It is not awake yet. Try again in a moment.", "busy", WAKING_RETRY_SECONDS
    )


def wake_failed(sentence: str) -> HoldingPage:
    text = f"It was started but doesn't respond. {sentence}".strip()
    return HoldingPage(503, "This preview could not wake up", text, "bad", FAILED_RETRY_SECONDS)


def deploy_expired() -> HoldingPage:
    return HoldingPage(410, "This deploy has expired", "Deploy it again with `eph deploy` if you still need it.")


def lookup_failed(reason: str) -> HoldingPage:
    text = f"This preview couldn't be looked up: {reason}. Try again in a moment."
    return HoldingPage(503, "Lookup failed", text, "bad", WAKING_RETRY_SECONDS)


def unknown() -> HoldingPage:
    return HoldingPage(
        404,
        "Preview not found",
        "There is no preview with this name. It may have been destroyed, or the link is wrong.",
    )


def too_many(wait: float) -> HoldingPage:
    return HoldingPage(
        429, "Too many attempts", f"Too many requests for unknown names. Try again in {wait:.0f} s.", "bad", int(wait)
    )


def sign_in(failed_before: bool, return_path: str) -> HoldingPage:
    text = "Invalid token. Try again." if failed_before else "Sign in to open this preview."
    return HoldingPage(401, "Sign in", text, "bad" if failed_before else "calm", form=return_path)


def not_on_the_list() -> HoldingPage:
    text = "You are signed in, but only people on this preview's list can open it. Ask the author of the pull request."
    return HoldingPage(403, "You don't have access", text, "bad")


def sign_in_incomplete() -> HoldingPage:
    text = "The sign-in expired or was started in another browser. Open the preview again; cookies must be allowed."
    return HoldingPage(401, "Sign-in didn't complete", text, "bad")


def share_link_invalid(has_list: bool) -> HoldingPage:
    if has_list:
        text = "Only people on this preview's list can open it, not everyone with a link. Sign in with your account."
        return HoldingPage(403, "Share links don't open this preview", text, "bad")
    return HoldingPage(
        401, "This link no longer works", "It expired or was revoked. Open it again or ask for a new one.", "bad"
    )


def oauth_refused(sentence: str) -> HoldingPage:
    return HoldingPage(400, "This sign-in can't continue", sentence, "bad")


def sign_in_with_account() -> HoldingPage:
    return HoldingPage(401, "Sign in", "Open this page in a browser to sign in, or send the preview's token.")


def too_many_tokens(wait: float) -> HoldingPage:
    text = f"Too many wrong tokens. Try again in {wait:.0f} s."
    return HoldingPage(429, "Too many attempts", text, "bad", int(wait))


def no_token() -> HoldingPage:
    text = "This preview requires sign-in, but the server has no token for it. Ask its operator to restart ephd."
    return HoldingPage(503, "Sign-in is unavailable", text, "bad")


def bad_host(sentence: str) -> HoldingPage:
    return HoldingPage(400, "Invalid host name", sentence, "bad")


def no_answer(sentence: str) -> HoldingPage:
    text = f"The service at this address is starting or has stopped. {sentence}"
    return HoldingPage(502, "No response yet", text, "busy", REFRESH_SECONDS, True)


def service_down(sentence: str) -> HoldingPage:
    return HoldingPage(502, "Eph is not responding", f"Is ephd running? {sentence}", "bad", REFRESH_SECONDS, True)


def cross_origin() -> HoldingPage:
    return HoldingPage(
        403, "Cross-site request rejected", "In a browser, only Eph's own pages can make changes here.", "bad"
    )


def overloaded() -> HoldingPage:
    return HoldingPage(
        503, "Too busy", "The gateway has too many open requests. Try again in a moment.", "bad", REFRESH_SECONDS
    )


def method_not_allowed() -> HoldingPage:
    return HoldingPage(405, "Method not allowed", "The gateway does not support CONNECT and TRACE.", "bad")


def render(
    page: HoldingPage, headers: Mapping[str, str], host: str = "", state: PreviewState | None = None
) -> web.Response:
    """``headers`` are the request's: they show whether a person or a program sent it."""
    answer = _as_json(page, host, state) if _wants_json(headers) else _as_html(page, host, state)
    answer.headers.update({hdrs.CACHE_CONTROL: "no-store", hdrs.SERVER: "eph", ROBOTS_HEADER: NO_ROBOTS})
    if page.retry_after:
        answer.headers[hdrs.RETRY_AFTER] = str(page.retry_after)
    return answer


def _as_html(page: HoldingPage, host: str, state: PreviewState | None) -> web.Response:
    output = state.output if state is not None else NOTHING
    text = _TEMPLATE.render(
        page=page, host=host, state=state, output=output, link=_link(state), seconds=REFRESH_SECONDS
    )
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
            "steps": [asdict(step) for step in state.output.steps],
            "output": state.output.lines,
        }
    return web.Response(status=page.status, text=json.dumps(data) + "\n", content_type="application/json")


def _wants_json(headers: Mapping[str, str]) -> bool:
    accepted = headers.get(hdrs.ACCEPT, "")
    return "application/json" in accepted and "text/html" not in accepted


def _link(state: PreviewState | None) -> str:
    """Only links that a browser opens as a page: never ``javascript:``."""
    url = state.pull_url if state is not None else ""
    return url if url.startswith(("https://", "http://")) else ""

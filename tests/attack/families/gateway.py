"""Pages of a preview that use a visitor's browser, and visitors without access."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from orchestrator.auth import preview_tokens
from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried

FAMILY = Family("sign-in at previews")
OPENED = "the preview's page"
TOKENS = {
    "no token": "",
    "a guessed token": "guess",
    "a long token": "x" * 5000,
    "the API's token": "API",
    "the token of another preview": "OTHER",
    "a prefix of the token": "PREFIX",
}


def status_with(arena: Arena, headers: Mapping[str, str]) -> int:
    return arena.http.get(arena.url(arena.locked), headers=dict(headers)).status_code


def require_control(arena: Arena) -> None:
    """The right token opens it, so a refusal means something."""
    found = status_with(arena, {"X-Eph-Preview-Token": arena.preview_token})
    if found != 200:
        raise NotTried(f"the right token is answered with {found}")


@FAMILY.each("S5", "open a locked preview with {}", OPENED, TOKENS)
def token(arena: Arena, name: str) -> str:
    require_control(arena)
    value = {
        "API": arena.site.api_token,
        "OTHER": preview_tokens.host_token(arena.preview_token.encode(), arena.hostile.host),
        "PREFIX": arena.preview_token[:-1],
    }.get(name, name)
    ways = ({"X-Eph-Preview-Token": value}, arena.bearer(value), {"Cookie": f"eph_sign_in={value}"})
    found = [list(headers) for headers in (ways if value else ({},)) if status_with(arena, headers) == 200]
    return str(found or "")


def signed_in(arena: Arena) -> str:
    """The cookie of a visitor of the locked preview."""
    answer = arena.http.post(
        arena.url(arena.locked, "/_eph/sign-in"),
        data={"token": arena.preview_token, "to": "/"},
        headers={"Origin": arena.url(arena.locked, "").rstrip("/")},
    )
    cookie = str(answer.headers.get("set-cookie", "")).partition(";")[0]
    arena.http.cookies.clear()
    if not cookie or status_with(arena, {"Cookie": cookie}) != 200:
        raise NotTried(f"the visitor couldn't sign in: {answer.status_code}")
    return cookie


@FAMILY.each(
    "S3 S5",
    "use a visitor's cookie from another preview's page by {}",
    "the request is forwarded",
    {
        "a form": {"Origin": "http://HOSTILE", "METHOD": "POST"},
        "a script": {"Origin": "http://HOSTILE"},
        "an opaque origin": {"Origin": "null", "METHOD": "POST"},
        "an image": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        "a script with a referrer": {"Sec-Fetch-Site": "same-site", "Referer": "http://HOSTILE/x"},
        "a WebSocket": {"Origin": "http://HOSTILE", "Upgrade": "websocket", "Connection": "Upgrade"},
        "DELETE": {"Origin": "http://HOSTILE", "METHOD": "DELETE"},
    },
)
def cross_site(arena: Arena, case: dict[str, str]) -> str:
    cookie = signed_in(arena)
    headers = {name: value.replace("HOSTILE", arena.hostile.host) for name, value in case.items() if name != "METHOD"}
    method = case.get("METHOD", "GET")
    answer = arena.http.request(method, arena.url(arena.locked), headers={**headers, "Cookie": cookie})
    return f"{answer.status_code} {answer.text[:200]}" if answer.status_code < 400 else ""


@FAMILY.attack("S5", "use a visitor's cookie on another host", OPENED)
def other_host(arena: Arena) -> str:
    cookie = signed_in(arena)
    host = f"api--{arena.locked.host}"
    answer = arena.http.get(f"http://{host}:{arena.site.gateway_port}/", headers={"Cookie": cookie})
    return answer.text[:200] if answer.status_code == 200 else ""


@FAMILY.attack("S5", "change a visitor's cookie", OPENED)
def changed_cookie(arena: Arena) -> str:
    cookie = signed_in(arena)
    changed = [cookie[:-1] + ("a" if cookie[-1] != "a" else "b"), cookie[:-10], cookie + "x"]
    changed.append(cookie.replace("=", "=9", 1))
    found = [value for value in changed if status_with(arena, {"Cookie": value}) == 200]
    return str(found or "")


@FAMILY.each(
    "S5",
    "return after the sign-in to {}",
    "a redirect to another site",
    {
        path: path
        for path in ("//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "/\t/evil.test")
    },
)
def redirect(arena: Arena, path: str) -> str:
    answer = arena.http.post(
        arena.url(arena.locked, "/_eph/sign-in"),
        data={"token": arena.preview_token, "to": path},
        headers={"Origin": arena.url(arena.locked, "").rstrip("/")},
    )
    arena.http.cookies.clear()
    location = answer.headers.get("location", "")
    return location if "evil" in location or "javascript" in location else ""


@FAMILY.attack("S5", "find a preview by guessing its name", "names can be tried without a limit")
def guess(arena: Arena) -> str:
    with httpx.Client(trust_env=False, timeout=20) as client:
        url = f"http://127.0.0.1:{arena.site.gateway_port}/"
        statuses = [client.get(url, headers={"Host": f"shop-none-{n}.localhost"}).status_code for n in range(200)]
    return "" if 429 in statuses else f"200 guesses: {set(statuses)}"


@FAMILY.attack("S5", "read a locked preview's status page", "its logs or commits")
def status_page(arena: Arena) -> str:
    text = arena.http.get(arena.url(arena.locked), headers={"Accept": "text/html"}).text
    return text[:300] if arena.locked.commit[:7] in text else ""

"""Tokens of the API that are missing, forged, too weak or restricted, and requests from other sites."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any

import httpx

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried

FAMILY = Family("API")
DONE = "the request is answered"
PUBLIC = {"/healthz", "/readyz", "/openapi.json"}
UNSIGNED = ("/webhooks/", "/auth/device")
"""Operations that authenticate in another way."""


@cache
def operations(arena: Arena) -> tuple[tuple[str, str], ...]:
    """Every operation that the API documents."""
    paths = arena.http.get(arena.site.api_url("openapi.json")).json()["paths"]
    found = tuple((method.upper(), path) for path, methods in paths.items() for method in methods)
    if len(found) < 25:
        raise NotTried(f"only {len(found)} operations are documented")
    return found


def body_for(path: str) -> dict[str, Any]:
    if path.endswith("/extend"):
        return {"seconds": 60}
    if path.endswith("/share-links"):
        return {"environment": "x"}
    if path.endswith("/exec"):
        return {"command": ["true"]}
    if path.endswith("/runs"):
        return {"job": "orders"}
    return {"commit": "2a" * 20} if path.endswith("/approve") and "environments" in path else {}


def call(arena: Arena, method: str, path: str, **headers: str) -> httpx.Response:
    for name in ("{name}", "{digest}", "{token_id}", "{link_id}", "{deploy_id}", "{session}"):
        path = path.replace(name, arena.victim.name if name == "{name}" else "0" * 12)
    with arena.http.stream(method, arena.site.api_url(path[1:]), json=body_for(path), headers=headers) as answer:
        return answer  # some are endless streams, so only the head is read


def answered(arena: Arena, token: str, allowed: AbstractSet[str] = frozenset()) -> str:
    """The operations that don't refuse this token. ``allowed``: methods that it may use."""
    headers = arena.bearer(token) if token else {}
    found = []
    for method, path in operations(arena):
        if path in PUBLIC or method in allowed or any(part in path for part in UNSIGNED):
            continue
        status = call(arena, method, path, **headers).status_code
        if status not in (401, 403, 404):
            found.append(f"{method} {path}: {status}")
    return "; ".join(found)


@FAMILY.each(
    "S1",
    "call every operation with {}",
    DONE,
    {
        "no token": "",
        "a guessed token": "eph_guess",
        "an empty JSON Web Token": "e30.e30.",
        "the preview token": "PREVIEW",
        "the Git host's token": "FORGE",
    },
)
def token(arena: Arena, value: str) -> str:
    if arena.api("GET", "status", arena.site.api_token).status_code != 200:
        raise NotTried("the server's own token doesn't work")
    value = {"PREVIEW": arena.preview_token, "FORGE": arena.site.token.read_text()}.get(value, value)
    return answered(arena, value)


@FAMILY.attack("S1", "change something with a viewer's token", DONE)
def viewer(arena: Arena) -> str:
    token = arena.create_token(role="viewer")
    if arena.api("GET", "environments", token).status_code != 200:
        raise NotTried("the viewer's token can't read")
    return answered(arena, token, {"GET"})


@FAMILY.attack("S1", "use a token after it was revoked", DONE)
def revoked(arena: Arena) -> str:
    created = arena.api("POST", "tokens", arena.site.api_token, json={"service": "gone", "role": "admin"}).json()
    if arena.api("GET", "status", created["secret"]).status_code != 200:
        raise NotTried("the new token doesn't work")
    arena.api("DELETE", f"tokens/{created['token']['id']}", arena.site.api_token).raise_for_status()
    return answered(arena, created["secret"])


@FAMILY.attack("S1", "use a token after its end", DONE)
def expired(arena: Arena) -> str:
    token = arena.create_token(role="admin", seconds=1)
    arena.wait_until_refused(token)
    return answered(arena, token)


@FAMILY.attack("S1", "read or change another repository with a restricted token", DONE)
def restricted(arena: Arena) -> str:
    token = arena.create_token(role="admin", repositories=["acme/other"])
    if arena.api("GET", "environments", token).status_code != 200:
        raise NotTried("the restricted token can't list")
    listed = arena.api("GET", "environments", token).json()["items"]
    named = [
        f"{method} {path}"
        for method, path in operations(arena)
        if "{name}" in path and call(arena, method, path, **arena.bearer(token)).status_code not in (403, 404)
    ]
    return str([item["name"] for item in listed] + named or "")


WIDER: dict[str, dict[str, Any]] = {
    "an admin's token": {"role": "admin"},
    "a token for all repositories": {"repositories": ["*/*"]},
    "a service's token": {"service": "more"},
    "a token that outlives it": {"seconds": 300 * 86400},
}


@FAMILY.each("S1", "create {} with a restricted developer's token", "the token is created", WIDER)
def escalate(arena: Arena, body: dict[str, Any]) -> str:
    token = arena.create_token(role="developer", repositories=["acme/shop"], seconds=3600)
    answer = arena.api("POST", "tokens", token, json=body)
    return answer.text[:200] if answer.status_code < 300 else ""


@FAMILY.each(
    "S1 S3",
    "send {}",
    "an internal error",
    {
        "a name of 100,000 letters": ("GET", "environments/" + "x" * 60_000),
        "an encoded path": ("GET", "environments/..%2f..%2fkeys"),
        "a NUL in a name": ("GET", "environments/%00"),
        "a huge page": ("GET", "events?limit=99999999999999999999"),
        "a cursor of brackets": ("GET", "events?after=" + "[" * 1000),
        "a surrogate": ("GET", "environments/%ED%A0%80"),
    },
)
def odd_request(arena: Arena, case: tuple[str, str]) -> str:
    status = arena.api(case[0], case[1], arena.site.api_token).status_code
    return str(status) if status >= 500 or (status == 200 and "keys" in case[1]) else ""


@FAMILY.each(
    "S3",
    "send {} as a body",
    "an internal error",
    {
        "30 MB": b" " * 30_000_000,
        "deep JSON": b"[" * 100_000,
        "no JSON": b"\xff\xfe",
        "an infinite number": b'{"seconds": 1e999}',
        "a huge number": b'{"seconds": ' + b"9" * 5000 + b"}",
        "a duplicate key": b'{"role": "viewer", "role": "admin"}',
    },
)
def odd_body(arena: Arena, body: bytes) -> str:
    headers = {"Content-Type": "application/json"}
    token = arena.create_token(role="developer")
    try:
        status = arena.api("POST", "tokens", token, content=body, headers=headers).status_code
    except (httpx.NetworkError, httpx.RemoteProtocolError):  # it stopped reading
        return "" if arena.http.get(arena.site.api_url("healthz")).status_code == 200 else "Eph is down"
    return str(status) if status >= 500 or status < 300 else ""


@FAMILY.attack("S1 S3", "sign a victim in with the attacker's token by a link from another site", "a session cookie")
def forced_sign_in(arena: Arena) -> str:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    answer = arena.browser().get(f"{arena.dashboard}/", params={"token": arena.site.api_token}, headers=headers)
    return "" if "set-cookie" not in answer.headers else str(answer.status_code)


SITES = {
    "a form": {"Origin": "http://HOSTILE"},
    "an opaque origin": {"Origin": "null"},
    "no origin": {},
    "the same site": {"Origin": "SELF", "Sec-Fetch-Site": "same-site"},
    "a preview's subdomain": {"Origin": "http://x.localhost"},
    "another port": {"Origin": "http://localhost:1"},
}


@FAMILY.each("S1 S3", "destroy the victim's preview with an admin's cookie from {}", DONE, SITES)
def csrf(arena: Arena, sent: dict[str, str]) -> str:
    browser = arena.browser()
    signed = browser.post(
        f"{arena.dashboard}/login", data={"token": arena.site.api_token}, headers={"Origin": arena.dashboard}
    )
    if signed.status_code != 303 or browser.get(f"{arena.dashboard}/api/v1/status").status_code != 200:
        raise NotTried(f"the admin couldn't sign in: {signed.status_code}")
    headers = {
        name: value.replace("HOSTILE", arena.hostile.host).replace("SELF", arena.dashboard)
        for name, value in sent.items()
    }
    found = []
    for path in (
        f"/e/{arena.victim.name}/down",
        f"/api/v1/environments/{arena.victim.name}/down",
        "/api/v1/sweep",
        "/logout",
    ):
        status = browser.post(arena.dashboard + path, headers=headers).status_code
        if status not in (401, 403):
            found.append(f"{path}: {status}")
    return "; ".join(found) or arena.victim_problem()


@FAMILY.attack("S1", "change the cookie of a session", DONE)
def session_cookie(arena: Arena) -> str:
    browser = arena.browser()
    token = arena.create_token(role="viewer")
    browser.post(f"{arena.dashboard}/login", data={"token": token}, headers={"Origin": arena.dashboard})
    name, value = next((cookie.name, cookie.value or "") for cookie in browser.cookies.jar)
    until, digest, seal = value.split(".")
    forged = [f"{int(until) + 999}.{digest}.{seal}", f"{until}.{digest}.", f"{until}.{'0' * len(digest)}.{seal}"]
    url = f"{arena.dashboard}/api/v1/status"
    if arena.http.get(url, headers={"Cookie": f"{name}={value}"}).status_code != 200:
        raise NotTried("the viewer couldn't sign in")
    return str(
        [one for one in forged if arena.http.get(url, headers={"Cookie": f"{name}={one}"}).status_code == 200] or ""
    )

"""Sign-in with an identity provider whose ID tokens are forged, and responses that belong to another browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from orchestrator.auth.device_flow import MAX_PENDING
from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried
from tests.auth.hostile_provider import FORGED_CLAIMS, HostileProvider, forged_signatures, sign

FAMILY = Family("sign-in")
SIGNED_IN = "a session of the dashboard"


def start(arena: Arena, browser: httpx.Client) -> str:
    """Starts an attempt in this browser. The provider learns its nonce; the result is its state."""
    answer = browser.get(f"{arena.dashboard}/auth/sign-in")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    arena.provider.nonce = query["nonce"][0]
    return query["state"][0]


def finish(arena: Arena, browser: httpx.Client, state: str) -> str:
    """The name of who is signed in after the provider's response; empty for nobody."""
    browser.get(f"{arena.dashboard}/auth/callback", params={"code": "c", "state": state})
    answer = browser.get(f"{arena.dashboard}/api/v1/whoami")
    return str(answer.json()["name"]) if answer.status_code == 200 else ""


def require_control(arena: Arena) -> None:
    browser = arena.browser()
    state = start(arena, browser)
    arena.provider.id_token = sign(arena.provider.claims())
    if finish(arena, browser, state) != "ada@example.com":
        raise NotTried("a good ID token signs nobody in")


@FAMILY.each("S1", "sign in with an ID token with {}", SIGNED_IN, FORGED_CLAIMS)
def claims(arena: Arena, change: dict[str, Any]) -> str:
    require_control(arena)
    browser = arena.browser()
    state = start(arena, browser)
    arena.provider.id_token = sign(arena.provider.claims(**change))
    return finish(arena, browser, state)


SIGNATURES = tuple(forged_signatures(HostileProvider().claims()))


@FAMILY.each("S1", "sign in with an ID token signed with {}", SIGNED_IN, {name: name for name in SIGNATURES})
def signature(arena: Arena, name: str) -> str:
    browser = arena.browser()
    state = start(arena, browser)
    arena.provider.id_token = forged_signatures(arena.provider.claims())[name]
    return finish(arena, browser, state)


@FAMILY.each(
    "S1",
    "finish a sign-in {}",
    SIGNED_IN,
    {
        "that another browser started": "other",
        "without a cookie": "none",
        "with another state": "state",
        "without a state": "empty",
        "twice": "twice",
    },
)
def stolen_response(arena: Arena, way: str) -> str:
    """The attacker makes a victim's browser open a response, to sign the victim in as the attacker."""
    require_control(arena)
    mallory, victim = arena.browser(), arena.browser()
    state = start(arena, mallory)
    arena.provider.id_token = sign(arena.provider.claims(email="mallory@example.com"))
    if way == "twice":
        finish(arena, mallory, state)
        mallory.cookies.clear()
        return finish(arena, mallory, state)
    if way == "other":
        start(arena, victim)
        arena.provider.id_token = sign(arena.provider.claims(email="mallory@example.com"))
        return finish(arena, victim, state)
    browser = mallory if way in ("state", "empty") else victim
    return finish(arena, browser, {"none": state, "state": f"{state}x", "empty": ""}[way])


ROLES: dict[str, dict[str, Any]] = {
    "a group with another case": {"groups": ["Platform"]},
    "a group with a prefix": {"groups": ["platform-x"]},
    "text instead of a list": {"groups": "platform"},
    "a nested list": {"groups": [["platform"]]},
    "an object": {"groups": {"platform": True}},
    "another claim": {"groups": None, "roles": ["platform"]},
    "the name of a service": {"groups": ["readers"], "email": "service:ci"},
}


@FAMILY.each(
    "S1",
    "become an admin by {}",
    "the role of an admin",
    ROLES,
)
def role(arena: Arena, change: dict[str, Any]) -> str:
    browser = arena.browser()
    state = start(arena, browser)
    arena.provider.id_token = sign(arena.provider.claims(**change))
    arena.provider.userinfo = {"sub": "1"}
    finish(arena, browser, state)
    answer = browser.get(f"{arena.dashboard}/api/v1/whoami")
    if answer.status_code != 200:
        return ""
    found = answer.json()
    return str(found) if found["role"] == "admin" or found["name"].startswith("service:") else ""


@FAMILY.attack("S1", "get another person's groups from the provider's userinfo", "the role of an admin")
def userinfo(arena: Arena) -> str:
    browser = arena.browser()
    state = start(arena, browser)
    arena.provider.id_token = sign(arena.provider.claims(groups=None))
    arena.provider.userinfo = {"sub": "2", "groups": ["platform"]}
    found = finish(arena, browser, state)
    arena.provider.userinfo = {}
    return found


@FAMILY.each(
    "S1",
    "return after the sign-in to {}",
    "a link to another site",
    {path: path for path in ("//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)")},
)
def redirect(arena: Arena, to: str) -> str:
    browser = arena.browser()
    answer = browser.get(f"{arena.dashboard}/auth/sign-in", params={"to": to})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    arena.provider.nonce = query["nonce"][0]
    arena.provider.id_token = sign(arena.provider.claims())
    page = browser.get(f"{arena.dashboard}/auth/callback", params={"code": "c", "state": query["state"][0]})
    return page.text[:300] if "evil" in page.text or "javascript:" in page.text else ""


@FAMILY.attack("S1", "redirect a person's grant for a preview to another host", "a redirect to the attacker's host")
def grant(arena: Arena) -> str:
    browser = arena.browser()
    state = start(arena, browser)
    arena.provider.id_token = sign(arena.provider.claims())
    finish(arena, browser, state)
    found = []
    for host in ("evil.test", "x.evil.test", f"{arena.locked.host}.evil.test", f"evil.test/{arena.locked.host}"):
        answer = browser.get(f"{arena.dashboard}/auth/preview", params={"host": host, "state": "s" * 20})
        found += [answer.headers["location"]] if "location" in answer.headers else []
    return str([location for location in found if "grant=" in location] or "")


@FAMILY.attack("S1", "keep others from signing in with clients that wait", "another client is refused", is_slow=True)
def waiting_clients(arena: Arena) -> str:
    """The API believes the gateway, and so this machine, where a client connects from."""
    statuses = {start_client(arena, "198.51.100.7") for _ in range(MAX_PENDING + 1)}
    if 200 not in statuses:
        raise NotTried(f"no client can wait: {statuses}")
    other = start_client(arena, "192.0.2.1")
    return "" if other == 200 else f"status {other}"


def start_client(arena: Arena, address: str) -> int:
    return arena.api("POST", "auth/device", json={}, headers={"X-Forwarded-For": address}).status_code

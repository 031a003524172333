"""Share links that are revoked, guessed, changed or used for something else."""

from __future__ import annotations

import httpx

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried

FAMILY = Family("share links")
OPENED = "a preview's page"


def create(arena: Arena, password: str = "") -> tuple[str, str]:
    """The link, and its ID."""
    body = {"environment": arena.locked.name, "password": password}
    answer = arena.api("POST", "share-links", arena.site.api_token, json=body)
    if answer.status_code != 201:
        raise NotTried(f"no link: {answer.text[:300]}")
    return answer.json()["url"], answer.json()["link"]["id"]


def follow(arena: Arena, visitor: httpx.Client, link: str) -> httpx.Response:
    """As a browser does, up to the preview's first page."""
    visitor.get(link)
    page = visitor.get(f"{arena.dashboard}/share")
    target = page.text.partition("url=")[2].partition('"')[0].replace("&amp;", "&")
    if page.status_code != 200 or not target:
        return page
    visitor.get(target)
    return visitor.get(arena.url(arena.locked))


def visitor(arena: Arena) -> httpx.Client:
    browser = arena.browser()
    browser.headers["Accept"] = "text/html"
    return browser


def opened(arena: Arena) -> tuple[httpx.Client, str]:
    """A visitor for whom the link works, and the link's ID."""
    link, link_id = create(arena)
    browser = visitor(arena)
    if follow(arena, browser, link).status_code != 200:
        raise NotTried("a good link doesn't open the preview")
    return browser, link_id


@FAMILY.attack("P12", "use a link after it was revoked", OPENED)
def revoked(arena: Arena) -> str:
    browser, link_id = opened(arena)
    arena.api("DELETE", f"share-links/{link_id}", arena.site.api_token).raise_for_status()
    return "opened" if browser.get(arena.url(arena.locked)).status_code == 200 else ""


@FAMILY.attack("P12", "open another preview with a link's cookie", OPENED)
def other_preview(arena: Arena) -> str:
    browser, _ = opened(arena)
    cookie = "; ".join(f"{item.name}={item.value}" for item in browser.cookies.jar)
    host = f"api--{arena.locked.host}"
    answer = arena.http.get(f"http://{host}:{arena.site.gateway_port}/", headers={"Cookie": cookie})
    return "opened" if answer.status_code == 200 else ""


@FAMILY.attack("P12 S1", "call the API with a link's secret", "the request is answered")
def api(arena: Arena) -> str:
    secret = create(arena)[0].rpartition("/")[2]
    return "answered" if arena.api("GET", "environments", secret).status_code == 200 else ""


@FAMILY.attack("P12", "guess the password of a link", "more than ten attempts")
def password(arena: Arena) -> str:
    link, _ = create(arena, "correct horse")
    browser = visitor(arena)
    browser.get(link)
    url, headers = f"{arena.dashboard}/share", {"Origin": arena.dashboard}
    guesses = [browser.post(url, data={"password": f"guess {n}"}, headers=headers).status_code for n in range(10)]
    if set(guesses) != {401}:
        raise NotTried(f"wrong passwords are answered with {guesses}")
    answer = browser.post(url, data={"password": "correct horse"}, headers=headers)
    return "the eleventh attempt counts" if answer.status_code == 200 else ""


@FAMILY.attack("P12", "submit a link's password from another site", OPENED)
def cross_site(arena: Arena) -> str:
    link, _ = create(arena, "correct horse")
    browser = visitor(arena)
    browser.get(link)
    origin = {"Origin": f"http://{arena.hostile.host}"}
    answer = browser.post(f"{arena.dashboard}/share", data={"password": "correct horse"}, headers=origin)
    return "accepted" if answer.status_code < 400 else ""


@FAMILY.each(
    "P12",
    "open a preview with {}",
    OPENED,
    {
        "a guessed link": "eph_guess",
        "an empty link": "",
        "a path": "../../keys",
        "a long link": "x" * 4000,
    },
)
def guessed(arena: Arena, secret: str) -> str:
    browser = visitor(arena)
    return "opened" if follow(arena, browser, f"{arena.dashboard}/share/{secret}").status_code == 200 else ""


@FAMILY.attack("P12", "use a grant of one preview at another", "a cookie")
def grant(arena: Arena) -> str:
    link, _ = create(arena)
    browser = visitor(arena)
    browser.get(link)
    page = browser.get(f"{arena.dashboard}/share").text
    value = httpx.URL(page.partition("url=")[2].partition('"')[0].replace("&amp;", "&")).params["share"]
    if not value:
        raise NotTried("the page contains no grant")
    answer = browser.get(arena.url(arena.hostile, f"/_eph/sign-in?share={value}"))
    return str(answer.status_code) if "set-cookie" in answer.headers else ""

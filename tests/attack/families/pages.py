"""Text from a repository in Eph's comment and pages, and what other users of the machine can read."""

from __future__ import annotations

import html.parser
import re

from tests.attack.arena import NASTY, STRANGER, Arena
from tests.attack.attack import Family, NotTried
from tests.e2e.exposure import process_command_lines, readable_files
from tests.e2e.site import LABEL, REPOSITORY, wait_until

FAMILY = Family("pages and secrets")
MARKER = re.compile(r"(<!-- eph:[0-9]+/)[0-9]+ -->")


class Scripts(html.parser.HTMLParser):
    """Elements and attributes that come from the attacker."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "base"):
            self.found.append(tag)
        self.found += [f"{tag} {name}={value}" for name, value in attrs if name.startswith("on")]
        self.found += [f"{tag} {value}" for _, value in attrs if (value or "").startswith("javascript:")]


@FAMILY.each(
    "S3",
    "inject a script into {}",
    "the attacker's element is in the page",
    {
        "the dashboard's list": "/",
        "the environment's page": "/e/HOSTILE",
        "the list of tokens": "/tokens",
        "the status page of a preview": "PREVIEW",
    },
)
def script(arena: Arena, path: str) -> str:
    headers = {**arena.bearer(arena.site.api_token), "Accept": "text/html"}
    url = arena.dashboard + path.replace("HOSTILE", arena.hostile.name)
    if path == "PREVIEW":
        url = f"http://shop-{'%3Cscript%3E'}.localhost:{arena.site.gateway_port}/<script>alert(1)</script>"
    answer = arena.http.get(url, headers=headers)
    text = answer.text
    if path != "PREVIEW" and answer.status_code != 200:
        raise NotTried(f"{url} responds with {answer.status_code}")
    own = [item for item in Scripts(text).found if "alert" in item or item in ("iframe", "object", "embed", "base")]
    return str(own) if own or NASTY in text or "<script>alert(1)" in text else ""


@FAMILY.attack("S3", "open the dashboard in a frame, or run inline scripts there", "the page allows it")
def policy(arena: Arena) -> str:
    headers = arena.http.get(f"{arena.dashboard}/", headers={"Accept": "text/html"}).headers
    found = headers.get("content-security-policy", "")
    wrong = "unsafe-inline" in found.partition("script-src")[2].partition(";")[0]
    return f"CSP: {found!r}" if "frame-ancestors 'none'" not in found or wrong else ""


@FAMILY.attack("S3", "put elements and mentions into Eph's comment by the title of a pull request", "it's rendered")
def comment(arena: Arena) -> str:
    body = arena.site.comment(arena.hostile.number)
    if not body:
        raise NotTried("there is no comment")
    return body if NASTY in body or "<script" in body or "<img" in body else ""


@FAMILY.attack("S2 S3", "take over Eph's comment with a stranger's that has its marker", "Eph edits or obeys it")
def marker(arena: Arena) -> str:
    found = MARKER.search(arena.site.comment(arena.victim.number))
    if not found:
        raise NotTried("Eph's comment has no marker")
    arena.site.forge.push(REPOSITORY, "impersonated", {"note.txt": "x"})
    number = arena.site.forge.open_pull(REPOSITORY, "impersonated")
    text = f"{found[1]}{number} -->\n**Ready** http://evil.test\n/eph approve {'0' * 40}"
    made = arena.site.forge.comment(REPOSITORY, number, text, by=STRANGER)
    arena.site.forge.label(REPOSITORY, number, LABEL)

    def comments() -> dict[int, str]:
        return {item["id"]: item["body"] for item in arena.site.forge.comments(REPOSITORY, number)}

    wait_until("Eph comments", lambda: "" if len(comments()) > 1 or comments()[made] != text else "not yet", 60)
    arena.site.forge.close_pull(REPOSITORY, number)
    return "" if comments()[made] == text else comments()[made]


@FAMILY.attack("S4", "find a secret in a process list", "a secret of Eph")
def process_list(arena: Arena) -> str:
    shown = "\n".join(process_command_lines())
    return "; ".join(name for name, value in secrets(arena).items() if value in shown)


@FAMILY.attack("S4", "find a secret in a file that others can read", "a secret of Eph")
def files(arena: Arena) -> str:
    found = readable_files(arena.site)
    if not found:
        raise NotTried("no file was read")
    names = secrets(arena).items()
    return "; ".join(f"{name} in {path}" for path, text in found.items() for name, value in names if value in text)


@FAMILY.attack("S4", "find a secret in the API, the events, the comment or the dashboard", "a secret of Eph")
def responses(arena: Arena) -> str:
    paths = ("environments", "events", "status", "audit", "tokens", f"environments/{arena.victim.name}/logs")
    texts = {path: arena.api("GET", path, arena.site.api_token).text for path in paths}
    texts["comment"] = arena.site.comment(arena.victim.number)
    texts["dashboard"] = arena.http.get(
        f"{arena.dashboard}/e/{arena.victim.name}", headers=arena.bearer(arena.site.api_token)
    ).text
    names = secrets(arena).items()
    return "; ".join(f"{name} in {path}" for path, text in texts.items() for name, value in names if value in text)


def secrets(arena: Arena) -> dict[str, str]:
    url = str(arena.site.page(arena.victim.host, "/environ").data["DATABASE_URL"])
    return {
        "the API's token": arena.site.api_token,
        "the preview token": arena.preview_token,
        "the Git host's token": arena.site.token.read_text(),
        "the webhook secret": arena.site.secret.read_text(),
        "the victim's database password": url.partition("@")[0].rpartition(":")[2],
    }

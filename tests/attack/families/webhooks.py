"""Webhooks that the Git host didn't send."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx

from orchestrator.demo.github.webhook_sender import signature
from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried

FAMILY = Family("webhooks")
BODY = json.dumps({"repository": {"id": 1}, "pull_request": {"number": 1}, "ref": "refs/heads/main"}).encode()
ACCEPTED = "the webhook is accepted"


def send(arena: Arena, body: bytes = BODY, **headers: str) -> int:
    sent = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "1", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return arena.api("POST", "webhooks/github", content=body, headers=sent).status_code


def secret(arena: Arena) -> str:
    return arena.site.secret.read_text()


SIGNATURES: dict[str, Callable[[Arena], str]] = {
    "no signature": lambda _: "",
    "an empty signature": lambda _: "sha256=",
    "a signature with an empty secret": lambda _: signature("", BODY),
    "a signature with a guessed secret": lambda _: signature("secret", BODY),
    "the signature of another body": lambda arena: signature(secret(arena), BODY + b" "),
    "a truncated signature": lambda arena: signature(secret(arena), BODY)[:-1],
    "an uppercase signature": lambda arena: signature(secret(arena), BODY).upper(),
    "the name of an older algorithm": lambda arena: signature(secret(arena), BODY).replace("sha256", "sha1"),
    "a letter before its signature": lambda arena: "x" + signature(secret(arena), BODY),
}


@FAMILY.each("S1", "send one with {}", ACCEPTED, {name: name for name in SIGNATURES})
def forged(arena: Arena, name: str) -> str:
    good = send(arena, X_Hub_Signature_256=signature(secret(arena), BODY))
    if good != 202:
        raise NotTried(f"a good webhook is answered with {good}")
    status = send(arena, X_Hub_Signature_256=SIGNATURES[name](arena))
    return "" if status in (400, 401, 403) else str(status)


@FAMILY.attack("S1", "send the older header only", ACCEPTED)
def old_header(arena: Arena) -> str:
    status = send(arena, X_Hub_Signature=signature(secret(arena), BODY).replace("sha256", "sha1"))
    return "" if status in (400, 401, 403) else str(status)


@FAMILY.attack("S3", "send 30 MB", "the body is read")
def large(arena: Arena) -> str:
    try:
        status = send(arena, b" " * 30_000_000, X_Hub_Signature_256="sha256=x")
    except (httpx.NetworkError, httpx.RemoteProtocolError):  # it stopped reading
        return "" if arena.http.get(arena.site.api_url("healthz")).status_code == 200 else "Eph is down"
    return "" if status in (400, 401, 403, 413) else str(status)


@FAMILY.each(
    "S3",
    "send {} with a good signature",
    "an internal error, or Eph stops",
    {
        "nothing": b"",
        "half an object": b"{",
        "bytes that aren't UTF-8": b"\xff\xfe",
        "100,000 brackets": b"[" * 100_000,
        "a list": b"[]",
        "a number as large as a book": b'{"repository": {"id": 1' + b"0" * 5000 + b"}}",
        "a surrogate": b'{"ref": "\\ud800", "repository": {"id": 7}}',
    },
)
def strange(arena: Arena, body: bytes) -> str:
    status = send(arena, body, X_Hub_Signature_256=signature(secret(arena), body))
    alive = arena.http.get(arena.site.api_url("healthz")).status_code
    return "" if status < 500 and alive == 200 else f"{status}, then {alive}"

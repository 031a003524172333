"""Requests to the gateway that no browser would send: smuggling, forged headers, host names."""

from __future__ import annotations

import base64

from tests.attack.arena import Arena
from tests.attack.attack import Family, NotTried

FAMILY = Family("gateway")
HIDDEN = "/smuggled"
SECOND = f"GET {HIDDEN} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"
SMUGGLED = {
    "Content-Length and Transfer-Encoding": "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "Transfer-Encoding with a tab": "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding:\tchunked\r\n"
    "Content-Length: 5\r\n\r\n0\r\n\r\n" + SECOND,
    "Transfer-Encoding twice": "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n"
    "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SECOND,
    "an unknown Transfer-Encoding": "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n"
    "Content-Length: 5\r\n\r\n0\r\n\r\n" + SECOND,
    "two lengths": "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n" + SECOND,
    "a list of lengths": "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0, 60\r\n\r\n" + SECOND,
    "a signed length": "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: +0\r\n\r\n" + SECOND,
    "a length with an underscore": "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1_0\r\n\r\n" + SECOND,
    "a length in hexadecimal": "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x3c\r\n\r\n" + SECOND,
    "a space before the colon": "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length : 60\r\n\r\n" + SECOND,
    "a folded header": "POST / HTTP/1.1\r\nHost: {host}\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n" + SECOND,
    "a bare line feed": "POST / HTTP/1.1\r\nHost: {host}\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a bare carriage return": "GET / HTTP/1.1\r\nHost: {host}\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n" + SECOND,
    "a NUL in a header": "GET / HTTP/1.1\r\nHost: {host}\r\nX: a\0b\r\n\r\n" + SECOND,
    "a chunk size with a sign": "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n-0\r\n\r\n"
    + SECOND,
    "a chunk size that overflows": "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    "FFFFFFFFFFFFFFFFF\r\n\r\n" + SECOND,
    "a chunk without its line end": "POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
    "1\r\nab\r\n0\r\n\r\n" + SECOND,
    "chunks in HTTP/1.0": "POST / HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "a second request line": f"GET / HTTP/1.1\r\nGET {HIDDEN} HTTP/1.1\r\nHost: {{host}}\r\n\r\n",
    "an encoded line end in the path": f"GET /%0d%0aGET%20{HIDDEN} HTTP/1.1\r\nHost: {{host}}\r\n\r\n",
}


@FAMILY.each(
    "S3", "smuggle a request with {}", "a locked preview gets a request that the gateway didn't check", SMUGGLED
)
def smuggling(arena: Arena, text: str) -> str:
    """The first request goes to the attacker's own preview, the hidden one to a preview that requires sign-in."""
    token = {"X-Eph-Preview-Token": arena.preview_token}
    first, _, second = text.partition(f"GET {HIDDEN}")
    hidden = f"GET {HIDDEN}{second}".format(host=arena.locked.host) if second else ""
    answer = arena.raw((first.format(host=arena.hostile.host) + hidden).encode(), seconds=1.5)
    if not answer.startswith(b"HTTP/1."):
        answer = b"(closed)"
    reached = arena.http.get(arena.url(arena.locked, "/seen"), headers=token)
    if reached.status_code != 200:
        raise NotTried(f"the locked preview responds with {reached.status_code} to its token")
    found = [line for line in reached.json() if HIDDEN in line.partition("\n")[0]]
    both = [line for line in arena.seen() if HIDDEN in line and "Host: " + arena.locked.host in line]
    return str(found or both or "")


FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X_Forwarded_For": "6.6.6.6",
    "X-Forwarded_For": "6.6.6.6",
    "X-Real-IP": "6.6.6.6",
    "X_Real_IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6",
    "X-Forwarded-Host": "evil.test",
    "x_eph_preview_token": "6.6.6.6",
    "X-Forwarded-Proto": "evil",
    "X-Eph-Preview-Token": "6.6.6.6",
}


@FAMILY.each("S3", "forge the header {}", "it reaches the preview", {name: name for name in FORGED})
def forged_header(arena: Arena, name: str) -> str:
    answer = arena.http.get(arena.url(arena.hostile), headers={name: FORGED[name]})
    if answer.status_code != 200:
        raise NotTried(f"the preview responds with {answer.status_code}")
    head = answer.json()["request"]
    return head if any(word in head for word in ("6.6.6.6", "evil")) else ""


@FAMILY.each(
    "S3",
    "remove {} with the header Connection",
    "it doesn't reach the preview",
    {
        "the host": "Host",
        "the client's address": "X-Forwarded-For",
        "the scheme": "X-Forwarded-Proto",
    },
)
def connection_header(arena: Arena, name: str) -> str:
    answer = arena.http.get(arena.url(arena.hostile), headers={"Connection": name})
    if answer.status_code != 200:
        return ""
    return "" if f"{name}:" in answer.json()["request"] else answer.json()["request"]


HOSTS = {
    name: name
    for name in (
        "../../keys/api.token",
        "..",
        "a/b",
        "a%2fb",
        "a\\b",
        "a b",
        "a_b",
        "-a.b",
        "a..b",
        "a:80:80",
        "é",
        "[::2]",
    )
}


@FAMILY.each("S5", "request the host {}", "something else than an error", HOSTS)
def host_name(arena: Arena, host: str) -> str:
    answer = arena.raw(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), seconds=3)
    return "" if answer.startswith(b"HTTP/1.1 400 ") else answer[:200].decode(errors="replace") or "no response"


@FAMILY.each(
    "S3",
    "send {}",
    "something else than an error",
    {
        "two host headers": "GET / HTTP/1.1\r\nHost: {host}\r\nHost: localhost\r\n\r\n",
        "no host header": "GET / HTTP/1.1\r\n\r\n",
        "70,000 letters in a header": "GET / HTTP/1.1\r\nHost: {host}\r\nX: " + "a" * 70_000 + "\r\n\r\n",
        "10,000 headers": "GET / HTTP/1.1\r\nHost: {host}\r\n" + "X: a\r\n" * 10_000 + "\r\n",
        "CONNECT": "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n",
        "TRACE": "TRACE / HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "another site's URL": "GET http://169.254.169.254/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n",
    },
)
def odd_request(arena: Arena, text: str) -> str:
    answer = arena.raw(text.format(host=arena.hostile.host).encode(), seconds=3)
    return "" if answer[:10] in (b"HTTP/1.1 4", b"HTTP/1.0 4") else answer[:300].decode(errors="replace")


ANSWERS = {
    "a cookie for the parent domain": ("Set-Cookie: a=1; Domain=localhost", "domain=localhost"),
    "a cookie for the parent domain, oddly written": ("Set-Cookie: a=1; DOMAIN = .localhost", "localhost"),
    "Clear-Site-Data": ('Clear-Site-Data: "cookies"', "clear-site-data"),
    "HSTS for all hosts": ("Strict-Transport-Security: max-age=9; includeSubDomains", "strict-transport-security"),
    "an index for search engines": ("X-Robots-Tag: all", "x-robots-tag: all"),
    "a hop-by-hop header": ("Connection: X-Private\r\nX-Private: 1", "x-private: 1"),
    "a file of a proxy in front": ("X-Accel-Redirect: /private/key", "x-accel-redirect"),
    "proxy authentication": ('Proxy-Authenticate: Basic realm="Eph"', "proxy-authenticate"),
}


@FAMILY.each("S3 S5", "respond with {}", "it reaches the visitor's browser", ANSWERS)
def answer_header(arena: Arena, case: tuple[str, str]) -> str:
    header, word = case
    answer = respond(arena, f"HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: 2\r\n\r\nok".encode())
    if b" 200 " not in answer.partition(b"\r\n")[0]:
        raise NotTried(f"the gateway responds with {answer[:200]!r}")
    head = answer.partition(b"\r\n\r\n")[0].decode(errors="replace")
    return head if word in head.lower().replace(" = ", "=") else ""


@FAMILY.each(
    "S3",
    "respond with {}",
    "the gateway fails, or forwards two responses",
    {
        "a reason phrase that isn't text": b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 2\r\n\r\nok",
        "no reason phrase": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        "another protocol": b"220 mail.example ESMTP\r\n\r\n",
        "two responses": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        b"HTTP/1.1 200 SECOND\r\nContent-Length: 0\r\n\r\n",
        "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 20\r\n\r\nHTTP/1.1 200 SECOND\r\n\r\n",
        "a status of seven digits": b"HTTP/1.1 2000000 OK\r\nContent-Length: 2\r\n\r\nok",
        "a megabyte of headers": b"HTTP/1.1 200 OK\r\nX: PADDING\r\nContent-Length: 2\r\n\r\nok",
        "a line end in a header": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: SECOND\r\nContent-Length: 2\r\n\r\nok",
    },
)
def answer_bytes(arena: Arena, data: bytes) -> str:
    answer = respond(arena, data)
    if b"SECOND" in answer or not answer.startswith(b"HTTP/1.1 "):
        return answer[:300].decode(errors="replace") or "no response"
    return "" if arena.http.get(f"{arena.dashboard}/healthz").status_code == 200 else "the gateway is down"


def respond(arena: Arena, data: bytes) -> bytes:
    """What a visitor receives when the attacker's service responds with these bytes."""
    raw = base64.urlsafe_b64encode(data).decode()
    head = f"GET /answer?raw={raw} HTTP/1.1\r\nHost: {arena.hostile.host}\r\nConnection: close\r\n\r\n"
    return arena.raw(head.encode(), seconds=5)

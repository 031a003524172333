"""Headers of forwarded messages: hop-by-hop headers are removed, a client's claims about itself are replaced, and the
rest is passed on unchanged (RFC 9110, 7.6.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy

from orchestrator.gateway import hostnames
from orchestrator.gateway.tls import HSTS, HSTS_HEADER

SIGN_IN_COOKIE = "eph_sign_in"
SECURE_SIGN_IN_COOKIE = f"__Host-{SIGN_IN_COOKIE}"
"""With TLS: browsers accept this name only from the host itself, so a neighbouring preview can't set it."""
STATE_COOKIE = "eph_sign_in_state"
SECURE_STATE_COOKIE = f"__Host-{STATE_COOKIE}"
OAUTH_COOKIE = "eph_oauth"
SECURE_OAUTH_COOKIE = f"__Host-{OAUTH_COOKIE}"
_OUR_COOKIES = frozenset(
    {
        SIGN_IN_COOKIE,
        SECURE_SIGN_IN_COOKIE,
        STATE_COOKIE,
        SECURE_STATE_COOKIE,
        OAUTH_COOKIE,
        SECURE_OAUTH_COOKIE,
    }
)
TOKEN_HEADER = "X-Eph-Preview-Token"  # noqa: S105 - the header's name, not a token
ROBOTS_HEADER = "X-Robots-Tag"
NO_ROBOTS = "noindex, nofollow"
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NOT_FORWARDED = _HOP_BY_HOP | {
    "expect",
    "forwarded",
    "x-eph-preview-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
}
# A Connection header must not remove these: the upstream relies on them (RFC 9110, 7.6.1).
_END_TO_END = frozenset(
    {
        "authorization",
        "cache-control",
        "content-length",
        "content-security-policy",
        "content-type",
        "cookie",
        "host",
        "origin",
        "referer",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "set-cookie",
        "x-frame-options",
        "x-robots-tag",
    }
)
# They apply beyond one host, delete Eph's own sign-in, or make a proxy in front of the gateway send its own files.
_NOT_FROM_PREVIEWS = _HOP_BY_HOP | {
    "clear-site-data",
    "strict-transport-security",
    "x-accel-redirect",
    "x-lighttpd-send-file",
    "x-reproxy-url",
    "x-sendfile",
}
_NOT_FORWARDED_WEBSOCKET = _NOT_FORWARDED | {
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
}


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """The client as we see it, not as it describes itself. ``bearer``: its Authorization header is our own token, which
    no upstream may see."""

    address: str
    scheme: str
    bearer: bool = False


@lru_cache(maxsize=4096)
def in_networks(address: str, networks: frozenset[str]) -> bool:
    """``networks``: such as 10.0.0.0/8, or single addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if parsed.version == 6 and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in ipaddress.ip_network(network) for network in networks)


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def last_item(headers: CIMultiDictProxy[str], name: str) -> str:
    """Of a list that may have several lines. Proxies append to the last line, or add one."""
    return ",".join(headers.getall(name, ())).rpartition(",")[2].strip()


def request_headers(
    headers: CIMultiDictProxy[str], client_info: ClientInfo, websocket: bool = False
) -> CIMultiDict[str]:
    """A request's headers for the upstream. ``Host`` is kept, so the app generates working links."""
    kept = _without(headers, _NOT_FORWARDED_WEBSOCKET if websocket else _NOT_FORWARDED)
    if client_info.bearer:
        kept.popall(hdrs.AUTHORIZATION, None)
    if hdrs.COOKIE in kept:
        _hide_cookie(kept)
    kept["X-Forwarded-For"] = client_info.address
    kept["X-Forwarded-Proto"] = client_info.scheme
    kept["X-Forwarded-Host"] = headers.get(hdrs.HOST, "")
    return kept


def cookies(headers: CIMultiDictProxy[str], name: str) -> list[str]:
    """Every value that the client sends for the name: a neighbouring host's page may have added one."""
    pairs = [part.strip().partition("=") for line in headers.getall(hdrs.COOKIE, ()) for part in line.split(";")]
    return [value for key, _, value in pairs if key == name]


def sign_in_cookie(scheme: str) -> str:
    """The cookie's name. Without TLS, browsers reject the one with the prefix."""
    return SECURE_SIGN_IN_COOKIE if scheme == "https" else SIGN_IN_COOKIE


def state_cookie(scheme: str) -> str:
    """The cookie of a sign-in in progress."""
    return SECURE_STATE_COOKIE if scheme == "https" else STATE_COOKIE


def oauth_cookie(scheme: str) -> str:
    """The cookie of the browser that began an OAuth sign-in inside a preview."""
    return SECURE_OAUTH_COOKIE if scheme == "https" else OAUTH_COOKIE


def _hide_cookie(headers: CIMultiDict[str]) -> None:
    """The app must not see our own cookies."""
    lines = headers.getall(hdrs.COOKIE)
    if not any(SIGN_IN_COOKIE in line or OAUTH_COOKIE in line for line in lines):
        return
    del headers[hdrs.COOKIE]
    parts = [part.strip() for line in lines for part in line.split(";")]
    kept = [part for part in parts if part and part.partition("=")[0].strip() not in _OUR_COOKIES]
    if kept:
        headers[hdrs.COOKIE] = "; ".join(kept)


def response_headers(headers: CIMultiDictProxy[str], is_preview: bool, host: str) -> CIMultiDict[str]:
    """A response's headers for the client. A preview's headers affect only its own host, and search engines must not
    index it, whatever the app says."""
    kept = _without(headers, _NOT_FROM_PREVIEWS if is_preview else _HOP_BY_HOP)
    kept.setdefault(hdrs.SERVER, "eph")
    if is_preview:
        kept[ROBOTS_HEADER] = NO_ROBOTS
        if hdrs.SET_COOKIE in kept:
            own = hostnames.normalize(host)
            narrowed = [_for_host(line, own) for line in kept.popall(hdrs.SET_COOKIE)]
            kept.extend((hdrs.SET_COOKIE, line) for line in narrowed)
    return kept


def add_hsts(headers: MutableMapping[str, str], scheme: str) -> None:
    """``scheme``: that of the connection to us. A proxy that terminates TLS in front of us sets its own header."""
    if scheme == "https":
        headers[HSTS_HEADER] = HSTS


def _for_host(set_cookie: str, host: str) -> str:
    """Without a Domain attribute for other hosts, the browser sends the cookie to this host alone."""
    pair, *attributes = set_cookie.split(";")
    return ";".join([pair, *(attribute for attribute in attributes if not _widens(attribute, host))])


def _widens(attribute: str, host: str) -> bool:
    name, _, domain = attribute.partition("=")
    return name.strip().lower() == "domain" and domain.strip().lower().removeprefix(".") != host


def safe_reason(reason: str | None) -> str | None:
    """The upstream's reason phrase if it can be sent; None stands for the status's usual one."""
    return reason if reason and reason.isascii() and reason.isprintable() else None


def list_items(values: Iterable[str]) -> list[str]:
    """The items of a list header, on one or several lines."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _without(headers: CIMultiDictProxy[str], names: frozenset[str]) -> CIMultiDict[str]:
    connection = headers.getall(hdrs.CONNECTION, ())
    if connection:
        names = names | ({_normalized(token) for token in list_items(connection)} - _END_TO_END)
    return CIMultiDict([(key, _safe(value)) for key, value in headers.items() if _normalized(key) not in names])


def _normalized(name: str) -> str:
    """CGI and WSGI servers don't distinguish ``X_Forwarded_For`` from ``X-Forwarded-For``."""
    return name.lower().replace("_", "-")


def _safe(value: str) -> str:
    """Bytes that aren't UTF-8 arrive as lone surrogates, which can't be sent: such a value is sent as Latin-1."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value

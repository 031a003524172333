"""Which responses get the bar: pages that a person opens in a browser, and no others.

Data that scripts fetch, frames, downloads, partial, cached and failed responses stay as they are, and so does a page
whose Content-Security-Policy forbids the bar's style sheet.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy

STYLE_PATH = "/_eph/bar.css"
_POLICIES = ("Content-Security-Policy", "Content-Security-Policy-Report-Only")
"""A policy that only reports would report the bar to the preview's authors, as if it were theirs."""
_ASCII_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "windows-", "latin1")
"""The bar is ASCII, which these contain."""
_BODY_HEADERS = (hdrs.ETAG, hdrs.LAST_MODIFIED, "Digest", "Content-Digest", "Repr-Digest", hdrs.CONTENT_MD5)
_CONDITIONS = (hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE)


class BarStyle(StrEnum):
    """How the page may include the bar's style sheet."""

    INLINE = "inline"
    LINKED = "linked"
    FORBIDDEN = "forbidden"


def is_page_request(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser opens the URL as a page. Without TLS, browsers don't state the destination."""
    if method != "GET" or hdrs.RANGE in headers or hdrs.UPGRADE in headers:
        return False
    destination = headers.get("Sec-Fetch-Dest", "").lower()
    if destination:
        return destination == "document"
    return headers.get("Upgrade-Insecure-Requests") == "1" and "text/html" in headers.get(hdrs.ACCEPT, "")


def request_whole_page(headers: CIMultiDict[str]) -> None:
    """The bar is added to the page as it is now, uncompressed: a page from the browser's cache may lack it."""
    for name in _CONDITIONS:
        headers.popall(name, None)
    headers[hdrs.ACCEPT_ENCODING] = "identity"


def is_page(status: int, headers: CIMultiDictProxy[str]) -> bool:
    kind, _, parameters = headers.get(hdrs.CONTENT_TYPE, "").lower().partition(";")
    return (
        status == 200
        and kind.strip() == "text/html"
        and _contains_ascii(_charset(parameters))
        and headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() in ("identity", "gzip", "x-gzip")
        and headers.get(hdrs.CONTENT_LENGTH, "").strip() != "0"
        and not headers.get(hdrs.CONTENT_DISPOSITION, "").strip().lower().startswith("attachment")
        and not any("no-transform" in value.lower() for value in headers.getall(hdrs.CACHE_CONTROL, ()))
    )


def adapt_headers(headers: CIMultiDict[str], added: int) -> bool:
    """The headers of the page with the bar, which is ``added`` bytes longer. Returns whether the body is compressed and
    must be decompressed. The page's validators are about the page without the bar."""
    for name in _BODY_HEADERS:
        headers.popall(name, None)
    is_compressed = headers.popone(hdrs.CONTENT_ENCODING, "identity").strip().lower() != "identity"
    length = headers.popone(hdrs.CONTENT_LENGTH, "")
    if length.isascii() and length.isdigit() and not is_compressed:
        headers[hdrs.CONTENT_LENGTH] = str(int(length) + added)
    return is_compressed


def allowed_style(headers: CIMultiDictProxy[str]) -> BarStyle:
    """What all policies of the page allow."""
    found = [headers.getall(name, ()) for name in _POLICIES]
    policies = [_directives(policy) for values in found for value in values for policy in value.split(",")]
    if any("sandbox" in policy for policy in policies):
        return BarStyle.FORBIDDEN
    sources = [_style_sources(policy) for policy in policies]
    if all(each is None or _allows_inline(each) for each in sources):
        return BarStyle.INLINE
    return BarStyle.LINKED if all(each is None or _allows_own(each) for each in sources) else BarStyle.FORBIDDEN


def _style_sources(directives: Mapping[str, list[str]]) -> list[str] | None:
    """Where style sheets may come from. None: from anywhere."""
    for name in ("style-src-elem", "style-src", "default-src"):
        if name in directives:
            return directives[name]
    return None


def _allows_inline(sources: list[str]) -> bool:
    """A nonce or a hash disables 'unsafe-inline'. The page's own nonce is for its own styles, not for ours."""
    strict = any(source.startswith(("'nonce-", "'sha256-", "'sha384-", "'sha512-")) for source in sources)
    return "'unsafe-inline'" in sources and not strict


def _allows_own(sources: list[str]) -> bool:
    return "'self'" in sources or "*" in sources


def _directives(policy: str) -> dict[str, list[str]]:
    """The first of several directives with one name counts."""
    found: dict[str, list[str]] = {}
    for directive in policy.lower().split(";"):
        words = directive.split()
        if words:
            found.setdefault(words[0], words[1:])
    return found


def _contains_ascii(charset: str) -> bool:
    return not charset or charset.startswith(_ASCII_CHARSETS)


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip().strip("\"'")
    return ""

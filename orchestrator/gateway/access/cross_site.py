"""Recognizes requests that another site's page makes through someone's browser.

Previews share one parent domain, so for a browser they are one site, and SameSite cookies don't separate them. A
browser states the page's origin in ``Origin``, and its relation to the target in ``Sec-Fetch-Site``; scripts can't
change either. Programs send neither.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import hdrs, web

from orchestrator.gateway import hostnames

_FOREIGN = frozenset({"cross-site", "same-site"})


def is_cross_site(request: web.BaseRequest, is_own: Callable[[str], bool]) -> bool:
    """``is_own``: whether pages of a host may make requests here. Following a link is always allowed."""
    origins = request.headers.getall(hdrs.ORIGIN, ())
    if origins:
        return not all(_is_own(origin, is_own) for origin in origins)
    if request.headers.get("Sec-Fetch-Site", "").lower() not in _FOREIGN or _follows_link(request):
        return False
    return not _is_own(request.headers.get(hdrs.REFERER, ""), is_own)


def _follows_link(request: web.BaseRequest) -> bool:
    headers = request.headers
    is_document = headers.get("Sec-Fetch-Dest", "").lower() == "document"
    return request.method == "GET" and is_document and headers.get("Sec-Fetch-Mode", "").lower() == "navigate"


def _is_own(url: str, is_own: Callable[[str], bool]) -> bool:
    try:
        return is_own(hostnames.normalize(url.partition("://")[2].partition("/")[0]))
    except hostnames.BadHost:
        return False

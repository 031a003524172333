"""Which redirects of a health check stay within the environment, where people reach it.

An app that redirects every request to https, to its canonical host or to another port answers, but people who follow
that redirect leave the preview. Only a redirect that a visitor could follow within the environment counts.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

from programs.kit import host_names

LOOPBACK = "127.0.0.1"
MAX_REDIRECTS = 5
_DEFAULT_PORTS = {"http": 80, "https": 443}


def target(url: str, location: str) -> str:
    """The absolute URL that a response at ``url`` redirects to; empty if it can't be one."""
    try:
        found = urljoin(url, location)
        parts = urlsplit(found)
        return found if parts.hostname and _port(parts) is not None else ""
    except ValueError:
        return ""


def stays_within(origin: str, url: str, *, behind_tls: bool) -> bool:
    """Whether ``url`` has the scheme and port of ``origin`` and a host of the same environment. ``behind_tls``: the
    check itself was sent without TLS, so the app can take https for http."""
    here, there = urlsplit(origin), urlsplit(url)
    same_environment = _environment(here) == _environment(there)
    if behind_tls and (here.scheme, there.scheme) == ("https", "http"):
        return same_environment and there.port in (None, 80, _port(here))
    return same_environment and (here.scheme, _port(here)) == (there.scheme, _port(there))


def leaves(origin: str, port: int, path: str, location: str) -> str:
    """Where a response of a service on this machine's ``port`` leads a visitor of ``origin``, if that is outside the
    environment; otherwise an empty string."""
    found = target(f"http://{LOOPBACK}:{port}{path}", location)
    parts, here = urlsplit(found), urlsplit(origin)
    if parts.hostname == LOOPBACK and parts.port in (None, port):
        # Built from the request's Host header, which is the public one for a visitor.
        public = here.netloc if parts.port else here.hostname or ""
        found = parts._replace(netloc=public).geturl()
    stays = found and stays_within(origin, found, behind_tls=here.scheme == "https")
    return "" if stays else shown(found or location)


def request_path(url: str) -> str:
    """The path and query to request."""
    parts = urlsplit(url)
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def shown(location: str) -> str:
    """The target for people: one short line."""
    return "".join(letter for letter in location[:200] if letter.isprintable())


def _environment(parts: SplitResult) -> str:
    return host_names.environment_host((parts.hostname or "").lower())


def _port(parts: SplitResult) -> int | None:
    return parts.port or _DEFAULT_PORTS.get(parts.scheme)

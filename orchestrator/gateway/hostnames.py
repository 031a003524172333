"""Validates host names from requests completely before anything looks them up.

A host becomes part of a file name, so only letters, digits, dashes and single dots are allowed: no slash, ``..``, NUL
or percent sign.
"""

from __future__ import annotations

import re
from functools import lru_cache

from orchestrator.gateway import wording

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?P<name>{_LABEL}(?:\.{_LABEL})*|\[::1\])\.?(?::[0-9]{{1,5}})?", re.ASCII)
MAX_LENGTH = 253
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class BadHost(ValueError):
    """Not a valid host name; the message explains it to the person who sent it."""


@lru_cache(maxsize=4096)
def normalize(raw: str) -> str:
    """Lowercase, without port and trailing dot; ``[::1]`` becomes ``::1``."""
    match = _HOST.fullmatch(raw.lower()) if len(raw) <= MAX_LENGTH + 7 else None
    if match is None or len(match["name"]) > MAX_LENGTH:
        raise BadHost(wording.INVALID_HOST)
    return match["name"].strip("[]")


def parent(host: str) -> str:
    """``shop.example.com`` for ``feat-x.shop.example.com``; empty for a name without a dot."""
    return host.partition(".")[2]

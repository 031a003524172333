"""Host names as strangers send them: checked whole against what a name may be, before anything looks one up.

A host becomes part of a file name, so nothing but letters, digits, dashes and single dots passes: no slash, no
``..``, no NUL, no percent sign can get that far.
"""

from __future__ import annotations

import re
from functools import lru_cache

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?P<name>{_LABEL}(?:\.{_LABEL})*|\[::1\])\.?(?::[0-9]{{1,5}})?", re.ASCII)
MAX_LENGTH = 253
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class BadHost(ValueError):
    """No host name; the message says so in a sentence for the person who sent it."""


@lru_cache(maxsize=4096)
def normalize(raw: str) -> str:
    """Lower case, without port and final dot; ``[::1]`` becomes ``::1``."""
    match = _HOST.fullmatch(raw.lower()) if len(raw) <= MAX_LENGTH + 7 else None
    if match is None or len(match["name"]) > MAX_LENGTH:
        raise BadHost("The Host header is not a valid host name: use letters, digits, dashes and dots.")
    return match["name"].strip("[]")


def environment_host(host: str) -> str:
    """The environment that a further service belongs to: ``api--shop-x-1.localhost`` is of ``shop-x-1.localhost``."""
    first, _, rest = host.partition(".")
    _, mark, name = first.partition("--")
    return f"{name}.{rest}" if mark and name else host

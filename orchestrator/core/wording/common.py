"""Parts of sentences that several topics share."""

from __future__ import annotations

UNKNOWN_REASON = "unknown reason"


def detail_after_colon(detail: str) -> str:
    return f": {detail}" if detail else ""

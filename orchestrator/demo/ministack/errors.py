"""The error of this package."""

from __future__ import annotations


class MinistackUnavailable(Exception):
    """MiniStack can't run here; the message says what to do."""

"""A place that stores secrets: files, a vault, a cloud's secrets manager. One contract suite runs on every adapter.

An error says which secret can't be read, and what to do. It never contains a value, a part of one, or a credential.
"""

from __future__ import annotations

from typing import Protocol

MAX_SECRET_BYTES = 32 * 1024
"""The largest value. An adapter may stop reading behind it."""
REQUEST_TIMEOUT = 5.0
"""Seconds until an adapter gives up on a server that doesn't respond."""


class UnreadableSecret(Exception):
    """The provider answered, and there is no usable value: it doesn't exist, or access is denied."""


class SecretProviderUnavailable(Exception):
    """The provider didn't answer. The last value that it returned stays valid."""


class SecretProvider(Protocol):
    """Thread-safe. ``open`` of its adapter does no I/O; ``read`` connects."""

    def describe(self, reference: str) -> str:
        """What an error calls this secret, such as a path."""

    def read(self, reference: str) -> bytes:
        """The current value. Raises ``UnreadableSecret`` or ``SecretProviderUnavailable``."""

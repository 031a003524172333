"""Errors of registries: each message continues a sentence that starts with the image's name."""

from __future__ import annotations


class RegistryError(Exception):
    """The message says what, where and what to do about it."""


class ImageNotFound(RegistryError):
    """The registry responded, and has no such image."""


class RegistryRefused(RegistryError):
    """Permanent until someone changes a setting, a permission, or what was pushed."""


class RegistryUnavailable(RegistryError):
    """Temporary: the registry may respond later, after ``retry_after`` seconds if it said so. No conclusion is
    allowed."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after

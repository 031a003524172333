"""What a registry can answer instead of what was asked: each a sentence that goes on after the image's name."""

from __future__ import annotations


class RegistryError(Exception):
    """The message says what, where and what to do about it."""


class ImageNotFound(RegistryError):
    """The registry answered, and has no such thing."""


class RegistryRefused(RegistryError):
    """It stays so until somebody changes a setting, a permission, or what was pushed."""


class RegistryUnavailable(RegistryError):
    """It may answer later, after ``retry_after`` seconds if it said so: nothing may be concluded from it."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after

"""An identity provider as a protocol: it sends a browser away, and learns from what comes back who the person is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orchestrator.auth.sign_in.attempts import Attempt


class SignInFailed(Exception):
    """The person isn't signed in; the message says why, and contains no secret."""


@dataclass(frozen=True, slots=True)
class Person:
    """``name`` is an email address or a login: unique at the provider, and readable in the audit trail."""

    name: str
    groups: frozenset[str] = frozenset()


class IdentityProvider(Protocol):
    @property
    def label(self) -> str:
        """The provider's name, for the button."""

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser has to go. Raises SignInFailed if the provider doesn't respond."""

    async def identify(self, code: str, attempt: Attempt, redirect_uri: str) -> Person:
        """Who came back with ``code``. Raises SignInFailed."""

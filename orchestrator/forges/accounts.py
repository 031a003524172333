"""Accounts of the Git host, with which people can sign in to Eph: what an adapter brings for that, as a protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class AccountsUnavailable(Exception):
    """The Git host doesn't say who the person is; the message says why."""


@dataclass(frozen=True, slots=True)
class OAuthEndpoints:
    authorize: str
    token: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """``groups`` are organizations (``acme``) and teams (``acme/core``)."""

    login: str
    groups: frozenset[str]


class ForgeAccounts(Protocol):
    @property
    def label(self) -> str:
        """The Git host's name, for people."""

    @property
    def endpoints(self) -> OAuthEndpoints: ...

    def account(self, access_token: str, with_teams: bool) -> Account:
        """Whose token it is. Blocks. ``with_teams``: also read teams. Raises AccountsUnavailable."""

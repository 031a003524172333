"""Authentication as a GitHub App: our key signs short-lived JWTs, a JWT buys a token for one installation, and that
token authenticates everything else.

A token is valid for an hour. It is replaced before it expires, and at once if GitHub rejects one that should still be
valid. A suspended or removed installation, a wrong key and a wrong clock each have their own error, because each has a
different fix.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from github import Auth

from orchestrator.forges.github import wording
from orchestrator.forges.github.http.transport import Connection, TransportConfig
from orchestrator.forges.port import ForgeNotFound, ForgeRefused

JWT_SECONDS = 540
CLOCK_SKEW_SECONDS = 60
"""GitHub's recommendation for clock drift."""
RENEW_BEFORE_SECONDS = 300.0
"""Seconds before its expiry at which a token is replaced: longer than any clone takes to start."""


class CallbackAuth(Auth.Auth):
    """A token that someone else renews; read again for each request."""

    def __init__(self, token: Callable[[], str], token_type: str = "token") -> None:  # noqa: S107 - no secret
        self._token, self._token_type = token, token_type

    @property
    def token_type(self) -> str:
        return self._token_type

    @property
    def token(self) -> str:
        return self._token()


@dataclass(frozen=True, slots=True)
class Installation:
    id: int
    account: str
    suspended: bool
    settings_url: str


@dataclass(frozen=True, slots=True)
class InstallationToken:
    token: str
    expires_at: float


class GitHubApp:
    """``now`` of ``config`` is also the clock of the JWTs."""

    def __init__(self, config: TransportConfig, app_id: str, private_key: str) -> None:
        self._config, self._id = config, app_id
        self._sign = Auth.AppAuth.create_jwt_sign(private_key, "RS256")
        try:
            self._jwt()
        except Exception as error:  # the cryptography library has its own exception types
            raise ValueError(
                "forge.private_key is not a private key in PEM format: create one on the App's page under "
                "'Private keys', and use the whole downloaded file"
            ) from error
        self.connection = Connection(config, CallbackAuth(self._jwt, "Bearer"), f"app {app_id}")
        self._lock = threading.Lock()
        self._tokens: dict[int, InstallationToken] = {}
        self._slug = ""

    def login(self) -> str:
        """The account that writes our comments."""
        self._slug = self._slug or self.connection.get("/app", _slug)
        return f"{self._slug}[bot]"

    def installations(self) -> list[Installation]:
        return list(self.connection.listing("/app/installations", _installations).all_items())

    def connect(self, installation: Installation) -> Connection:
        number = installation.id
        auth = CallbackAuth(lambda: self._installation_token(installation))
        return Connection(self._config, auth, f"installation {number}", lambda: self._renew_token(installation))

    def _installation_token(self, installation: Installation) -> str:
        now = self._config.now()
        with self._lock:
            held = self._tokens.get(installation.id)
            if held is None or held.expires_at - RENEW_BEFORE_SECONDS <= now:
                held = self._tokens[installation.id] = self._create_token(installation)
            return held.token

    def _create_token(self, installation: Installation) -> InstallationToken:
        try:
            return _installation_token(
                self.connection.post_unthrottled(f"/app/installations/{installation.id}/access_tokens")
            )
        except ForgeNotFound:
            raise ForgeRefused(wording.app_uninstalled(installation.account)) from None
        except ForgeRefused as refusal:
            if "suspended" not in str(refusal).lower():
                raise
            raise ForgeRefused(suspended_message(installation)) from refusal

    def _renew_token(self, installation: Installation) -> None:
        """After a rejection: the next request gets a new token, or raises the reason why there is none."""
        with self._lock:
            self._tokens.pop(installation.id, None)
        self._installation_token(installation)

    def _jwt(self) -> str:
        now = int(self._config.now())
        signed = self._sign({"iat": now - CLOCK_SKEW_SECONDS, "exp": now + JWT_SECONDS, "iss": self._id})
        return signed.decode() if isinstance(signed, bytes) else str(signed)


def suspended_message(installation: Installation) -> str:
    where = f" at {installation.settings_url}" if installation.settings_url else ""
    return wording.app_suspended(installation.account, where)


def _slug(data: Any) -> str:
    return str(data["slug"])


def _installations(data: Any) -> list[Installation]:
    if not isinstance(data, list):
        raise TypeError(f"expected a list, not {type(data).__name__}")
    return [
        Installation(
            int(item["id"]), str(item["account"]["login"]), bool(item.get("suspended_at")),
            str(item.get("html_url") or ""),
        )
        for item in data if item.get("account")
    ]  # fmt: skip


def _installation_token(data: Any) -> InstallationToken:
    return InstallationToken(str(data["token"]), datetime.fromisoformat(str(data["expires_at"])).timestamp())

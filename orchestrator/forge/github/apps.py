"""Being a GitHub App: a key of ours signs short tickets (JWT), a ticket buys a token for one installation, and that
token is what everything else is asked with.

A token lives an hour; a new one is had before it ends, and at once when GitHub refuses one that should still be good.
An installation that was suspended or removed, a key that is not the App's and a clock that is wrong each get their own
sentence, because each is mended at another place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from github import Auth

from orchestrator.forge.github.transport import Line, Means
from orchestrator.forge.port import ForgeRefused, NotThere

TICKET_SECONDS = 540
BACK_DATED = 60
"""GitHub's advice against clocks that drift a little."""
EARLY = 300.0
"""A token is replaced so many seconds before it ends: longer than any clone takes to begin."""


class Standing(Auth.Auth):
    """A token that somebody else keeps good; asked for anew with each request."""

    def __init__(self, token: Callable[[], str], kind: str = "token") -> None:
        self._token, self._kind = token, kind

    @property
    def token_type(self) -> str:
        return self._kind

    @property
    def token(self) -> str:
        return self._token()


@dataclass(frozen=True, slots=True)
class Installation:
    id: int
    account: str
    suspended: bool
    page: str


@dataclass(frozen=True, slots=True)
class Bought:
    token: str
    until: float


class App:
    """``now`` of ``means`` is also the clock of the tickets."""

    def __init__(self, means: Means, app_id: str, private_key: str) -> None:
        self._means, self._id = means, app_id
        self._sign = Auth.AppAuth.create_jwt_sign(private_key, "RS256")
        try:
            self._ticket()
        except Exception as error:  # whatever the cryptography library calls it
            raise ValueError(
                "forge.private_key is not a private key in PEM form: make one on the App's page under 'Private keys', "
                "and give the whole file that is downloaded"
            ) from error
        self.line = Line(means, Standing(self._ticket, "Bearer"), f"app {app_id}")
        self._lock = threading.Lock()
        self._bought: dict[int, Bought] = {}
        self._slug = ""

    def login(self) -> str:
        """Who writes our comments."""
        self._slug = self._slug or self.line.get("/app", _slug)
        return f"{self._slug}[bot]"

    def installations(self) -> list[Installation]:
        return list(self.line.listing("/app/installations", _installations).whole())

    def line_of(self, installation: Installation) -> Line:
        number = installation.id
        auth = Standing(lambda: self._token(installation))
        return Line(self._means, auth, f"installation {number}", lambda: self._renew(installation))

    def _token(self, installation: Installation) -> str:
        now = self._means.now()
        with self._lock:
            held = self._bought.get(installation.id)
            if held is None or held.until - EARLY <= now:
                held = self._bought[installation.id] = self._buy(installation)
            return held.token

    def _buy(self, installation: Installation) -> Bought:
        try:
            return _bought(self.line.buy(f"/app/installations/{installation.id}/access_tokens"))
        except NotThere:
            raise ForgeRefused(
                f"the App is not installed at {installation.account} any more: install it again, or take "
                f"{installation.account} out of Eph's settings"
            ) from None
        except ForgeRefused as refusal:
            if "suspended" not in str(refusal).lower():
                raise
            raise ForgeRefused(suspended(installation)) from refusal

    def _renew(self, installation: Installation) -> None:
        """After a refusal: the next question has a new token, or the reason why there is none is what people read."""
        with self._lock:
            self._bought.pop(installation.id, None)
        self._token(installation)

    def _ticket(self) -> str:
        now = int(self._means.now())
        made = self._sign({"iat": now - BACK_DATED, "exp": now + TICKET_SECONDS, "iss": self._id})
        return made.decode() if isinstance(made, bytes) else str(made)


def suspended(installation: Installation) -> str:
    where = f" at {installation.page}" if installation.page else ""
    return (
        f"the App's installation at {installation.account} is suspended: an owner of {installation.account} "
        f"can lift that{where}"
    )


def _slug(data: Any) -> str:
    return str(data["slug"])


def _installations(data: Any) -> list[Installation]:
    if not isinstance(data, list):
        raise TypeError(f"a list was expected, not {type(data).__name__}")
    return [
        Installation(
            int(item["id"]), str(item["account"]["login"]), bool(item.get("suspended_at")),
            str(item.get("html_url") or ""),
        )
        for item in data if item.get("account")
    ]  # fmt: skip


def _bought(data: Any) -> Bought:
    return Bought(str(data["token"]), datetime.fromisoformat(str(data["expires_at"])).timestamp())

"""Chooses the token for each owner's repositories: one token for all, or an App's installation per owner.

Every path below ``/repos/OWNER/NAME`` determines its connection. ``ConnectionRouter`` is a transport that chooses it,
so no other code has to know that there are several.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from github import Auth

from orchestrator.forges.github import parsers, wording
from orchestrator.forges.github.http import app_auth
from orchestrator.forges.github.http.app_auth import GitHubApp, Installation
from orchestrator.forges.github.http.transport import Connection, Listing, Parse, TransportConfig
from orchestrator.forges.github.repositories.selection import Selection
from orchestrator.forges.port import ApiUsage, ForgeRefused

T = TypeVar("T")
REFRESH_SECONDS = 300.0
OWNER_PATH = re.compile(r"/repos/([^/?]+)/")


class ConnectionProvider(Protocol):
    repositories_path: str
    """The path that lists every repository that a connection can access."""

    def refresh(self) -> None:
        """Updates the list of connections. Raises if none can be determined."""

    def connection(self, owner: str) -> Connection:
        """Raises ForgeRefused, with what to do, if the owner hasn't granted access."""

    def connections(self) -> Mapping[str, Connection]:
        """By owner; a connection for all has the owner ``*``."""

    def login(self) -> str: ...

    def close(self) -> None: ...


class TokenConnections:
    repositories_path = "/user/repos"

    def __init__(self, config: TransportConfig, token: str, login: str = "") -> None:
        self._connection = Connection(config, Auth.Token(token), "token")
        self._login = login

    def refresh(self) -> None:
        return

    def connection(self, owner: str) -> Connection:  # noqa: ARG002 - one for all
        return self._connection

    def connections(self) -> Mapping[str, Connection]:
        return {"*": self._connection}

    def login(self) -> str:
        self._login = self._login or self._connection.get("/user", parsers.login)
        return self._login

    def close(self) -> None:
        self._connection.close()


class AppConnections:
    """Only owners in the selection count: others who installed the App aren't served."""

    repositories_path = "/installation/repositories"

    def __init__(self, app: GitHubApp, selection: Selection, now: Callable[[], float]) -> None:
        self._app, self._owners, self._now = app, selection.owners, now
        self._refreshed_at = 0.0
        self._lock = threading.Lock()
        self._connections: dict[int, tuple[Installation, Connection]] = {}

    def refresh(self) -> None:
        """Runs every few minutes, because each JWT is different and the response therefore never cached. Runs at once
        if an owner in the selection hasn't granted access."""
        now = self._now()
        if self._refreshed_at + REFRESH_SECONDS > now and self._owners <= {name.lower() for name in self.connections()}:
            return
        self._reload()
        self._refreshed_at = now

    def _reload(self) -> None:
        found = {item.id: item for item in self._app.installations() if item.account.lower() in self._owners}
        with self._lock:
            removed = [line for number, (_, line) in self._connections.items() if number not in found]
            self._connections = {number: (item, self._reuse_or_connect(item)) for number, item in found.items()}
        for line in removed:
            line.close()

    def connection(self, owner: str) -> Connection:
        with self._lock:
            for installation, line in self._connections.values():
                if installation.account.lower() != owner.lower():
                    continue
                if installation.suspended:
                    raise ForgeRefused(app_auth.suspended_message(installation))
                return line
        raise ForgeRefused(wording.app_not_installed(owner))

    def connections(self) -> Mapping[str, Connection]:
        with self._lock:
            return {item.account: line for item, line in self._connections.values() if not item.suspended}

    def login(self) -> str:
        return self._app.login()

    @property
    def app_connection(self) -> Connection:
        """The App's own connection, for requests that belong to no installation."""
        return self._app.connection

    def close(self) -> None:
        with self._lock:
            lines = [line for _, line in self._connections.values()]
        for line in (self._app.connection, *lines):
            line.close()

    def _reuse_or_connect(self, installation: Installation) -> Connection:
        held = self._connections.get(installation.id)
        return held[1] if held else self._app.connect(installation)


class ConnectionRouter:
    """A ``Transport`` over all connections. Requests outside of repositories use any of them."""

    def __init__(self, provider: ConnectionProvider, base_url: str) -> None:
        self._provider = provider
        self.base_url = base_url
        """The base URL, for cache keys."""
        self.on_write: Callable[[str, Any], None] = lambda _path, _body: None
        """Called after each write, with the request body."""

    def get(self, url: str, parse: Parse[T]) -> T:
        return self.connection_for(url).get(url, parse)

    def get_once(self, url: str, parse: Parse[T]) -> T:
        return self.connection_for(url).get_once(url, parse)

    def listing(self, path: str, parse: Parse[list[T]]) -> Listing[T]:
        return self.connection_for(path).listing(path, parse)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self.connection_for(path).send(method, path, body)
        finally:
            self.on_write(path, body)

    def connection_for(self, path: str) -> Connection:
        found = OWNER_PATH.match(path)
        return self._provider.connection(found[1] if found else "*")

    def usage(self) -> ApiUsage:
        """The total of all connections; ``remaining`` is that of the connection with the least."""
        costs = [line.usage() for line in self._provider.connections().values()]
        reported = [cost for cost in costs if cost.limit > 0]
        tightest = min(reported, key=lambda cost: cost.remaining / cost.limit, default=ApiUsage())
        return ApiUsage(
            counted=sum(cost.counted for cost in costs),
            free=sum(cost.free for cost in costs),
            remaining=tightest.remaining,
            limit=tightest.limit,
            blocked_for=max((cost.blocked_for for cost in costs), default=0.0),
            reset=tightest.reset,
        )

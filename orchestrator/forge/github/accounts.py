"""With whose token each owner's repositories are asked about: one token for all, or an App's installation at each.

Every path below ``/repos/OWNER/NAME`` says by itself which line it belongs to; ``Switchboard`` is the transport that
reads it off, so nobody else has to know that there are several.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from github import Auth

from orchestrator.forge.github import apps, readings
from orchestrator.forge.github.apps import App, Installation
from orchestrator.forge.github.selection import Selection
from orchestrator.forge.github.transport import Line, Listing, Means, Parse
from orchestrator.forge.port import Cost, ForgeRefused

T = TypeVar("T")
LOOK_AGAIN = 300.0
OWNER = re.compile(r"/repos/([^/?]+)/")


class Accounts(Protocol):
    shown: str
    """The path that lists every repository that one line is shown."""

    def look(self) -> None:
        """Learns which lines there are now; raises when nothing at all can be told."""

    def line(self, owner: str) -> Line:
        """Raises ForgeRefused, with what to do, when nobody let us in there."""

    def lines(self) -> Mapping[str, Line]:
        """By owner; one for all has the owner ``*``."""

    def login(self) -> str: ...

    def close(self) -> None: ...


class ByToken:
    shown = "/user/repos"

    def __init__(self, means: Means, token: str, login: str = "") -> None:
        self._line = Line(means, Auth.Token(token), "token")
        self._login = login

    def look(self) -> None:
        return

    def line(self, owner: str) -> Line:  # noqa: ARG002 - one for all
        return self._line

    def lines(self) -> Mapping[str, Line]:
        return {"*": self._line}

    def login(self) -> str:
        self._login = self._login or self._line.get("/user", readings.login)
        return self._login

    def close(self) -> None:
        self._line.close()


class ByApp:
    """Only the owners of the selection count: whoever else has installed the App is not served."""

    shown = "/installation/repositories"

    def __init__(self, app: App, selection: Selection, now: Callable[[], float]) -> None:
        self._app, self._owners, self._now = app, selection.owners, now
        self._looked = 0.0
        self._lock = threading.Lock()
        self._lines: dict[int, tuple[Installation, Line]] = {}

    def look(self) -> None:
        """Every few minutes: a ticket differs from the last, so this answer is never free. At once where somebody of
        the selection has not let us in."""
        now = self._now()
        if self._looked + LOOK_AGAIN > now and self._owners <= {name.lower() for name in self.lines()}:
            return
        self._learn()
        self._looked = now

    def _learn(self) -> None:
        found = {item.id: item for item in self._app.installations() if item.account.lower() in self._owners}
        with self._lock:
            gone = [line for number, (_, line) in self._lines.items() if number not in found]
            self._lines = {number: (item, self._known_line(item)) for number, item in found.items()}
        for line in gone:
            line.close()

    def line(self, owner: str) -> Line:
        with self._lock:
            for installation, line in self._lines.values():
                if installation.account.lower() != owner.lower():
                    continue
                if installation.suspended:
                    raise ForgeRefused(apps.suspended(installation))
                return line
        raise ForgeRefused(f"the App is not installed at {owner}: an owner of {owner} installs it on the App's page")

    def lines(self) -> Mapping[str, Line]:
        with self._lock:
            return {item.account: line for item, line in self._lines.values() if not item.suspended}

    def login(self) -> str:
        return self._app.login()

    @property
    def ticket(self) -> Line:
        """Of the App itself, for what is no installation's."""
        return self._app.line

    def close(self) -> None:
        with self._lock:
            lines = [line for _, line in self._lines.values()]
        for line in (self._app.line, *lines):
            line.close()

    def _known_line(self, installation: Installation) -> Line:
        held = self._lines.get(installation.id)
        return held[1] if held else self._app.line_of(installation)


class Switchboard:
    """A ``Transport`` over all lines. What is not below a repository goes to any of them."""

    def __init__(self, accounts: Accounts, home: str) -> None:
        self._accounts = accounts
        self.home = home
        """The base URL, for names of what is kept."""
        self.sent: Callable[[str, Any], None] = lambda _path, _body: None
        """Told of each write, with what was sent."""

    def get(self, url: str, parse: Parse[T]) -> T:
        return self.line(url).get(url, parse)

    def get_once(self, url: str, parse: Parse[T]) -> T:
        return self.line(url).get_once(url, parse)

    def listing(self, path: str, parse: Parse[list[T]]) -> Listing[T]:
        return self.line(path).listing(path, parse)

    def send(self, verb: str, path: str, body: Any = None) -> Any:
        try:
            return self.line(path).send(verb, path, body)
        finally:
            self.sent(path, body)

    def line(self, path: str) -> Line:
        found = OWNER.match(path)
        return self._accounts.line(found[1] if found else "*")

    def cost(self) -> Cost:
        """Of all lines together; ``remaining`` is that of the line that has least left."""
        costs = [line.cost() for line in self._accounts.lines().values()]
        told = [cost for cost in costs if cost.limit > 0]
        tightest = min(told, key=lambda cost: cost.remaining / cost.limit, default=Cost())
        return Cost(
            counted=sum(cost.counted for cost in costs),
            free=sum(cost.free for cost in costs),
            remaining=tightest.remaining,
            limit=tightest.limit,
            blocked_for=max((cost.blocked_for for cost in costs), default=0.0),
            reset=tightest.reset,
        )

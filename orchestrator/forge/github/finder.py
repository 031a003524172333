"""Which repositories there are to serve, looked up by name or found by pattern, and what is in the way of the others.

What is known does not change every half minute: a name's repository is asked about again in turn, a few at each look
(``pulls`` notices a name that leads elsewhere by itself), and lists of everything that we are shown every few minutes.
A new one and one in trouble are asked about at every look. One that was known and cannot be read just now stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator.forge.github import readings
from orchestrator.forge.github.accounts import Accounts
from orchestrator.forge.github.pace import Forward
from orchestrator.forge.github.readings import Found
from orchestrator.forge.github.selection import Selection
from orchestrator.forge.github.transport import Line
from orchestrator.forge.port import ForgeError, ForgeRefused, NotThere, Repository

AT_ONCE = 8
FEWEST = 5
TURNS = 60
"""A name is asked about again within so many looks: half an hour. Each answer counts, whenever anybody pushed."""
LIST_AGAIN = 300.0


@dataclass(frozen=True, slots=True)
class Shown:
    at: float
    found: tuple[Found, ...]


class Finder:
    def __init__(self, selection: Selection, accounts: Accounts, now: Callable[[], float]) -> None:
        self._selection, self._accounts, self._now = selection, accounts, Forward(now)
        self._lock = threading.Lock()
        self._known: dict[str, Found] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0
        self._shown: dict[str, Shown] = {}
        self._served: set[int] = set()
        self._problems: dict[str, str] = {}
        self._notes: dict[str, str] = {}

    def problems(self) -> Mapping[str, str]:
        with self._lock:
            return {**self._notes, **self._problems}

    def known(self) -> list[Repository]:
        with self._lock:
            return [item.repository for item in self._all()]

    def is_archived(self, repository: int) -> bool:
        with self._lock:
            return any(item.repository.id == repository and item.archived for item in self._all())

    def find(self) -> list[Repository]:
        failed = self._look_at_accounts()
        names = self._due()
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            failed += [error for error in pool.map(self._look_up, names) if error is not None]
            failed += [error for error in pool.map(self._list, self._owners()) if error is not None]
        with self._lock:
            found = self._select()
        if failed and not found:
            raise failed[0]
        return found

    def _look_at_accounts(self) -> list[ForgeError]:
        try:
            self._accounts.look()
        except ForgeError as error:
            self._tell("the installations", str(error))
            return [error]
        self._tell("the installations", "")
        return []

    def _due(self) -> list[str]:
        """New ones, those in trouble, and the few whose turn is longest ago."""
        with self._lock:
            self._turn += 1
            names = sorted(self._selection.names, key=lambda name: self._turns.get(name, -1))
            some = max(FEWEST, -(-len(names) // TURNS))
            pressing = [name for name in names if name not in self._known or name in self._problems]
            due = list(dict.fromkeys([*pressing, *names[:some]]))
            self._turns.update(dict.fromkeys(due, self._turn))
            return due

    def _look_up(self, name: str) -> ForgeError | None:
        try:
            found = self._accounts.line(name.partition("/")[0]).get(f"/repos/{name}", readings.found)
        except NotThere:
            error: ForgeError = ForgeRefused(f"{name} cannot be seen: it is not there, or we were not given access")
        except ForgeError as problem:
            error = problem
        else:
            with self._lock:
                self._known[name] = found
            self._tell(name, "")
            return None
        self._tell(name, str(error))
        return error

    def _owners(self) -> list[str]:
        """Lines to ask for everything that they are shown; for an App, each owner with a pattern."""
        if not self._selection.patterns:
            return []
        lines = self._accounts.lines()
        if "*" in lines:
            return ["*"]
        wanted = {item.partition("/")[0].lower(): item.partition("/")[0] for item in self._selection.patterns}
        return sorted(wanted.values())

    def _list(self, owner: str) -> ForgeError | None:
        with self._lock:
            held = self._shown.get(owner)
        if held is not None and held.at + LIST_AGAIN > self._now():
            return None
        name = "/user/repos" if owner == "*" else f"{owner}/*"
        try:
            line: Line = self._accounts.line(owner)
            found = line.listing(self._accounts.shown, readings.shown).whole()
        except ForgeError as error:
            self._tell(name, str(error))
            return error
        with self._lock:
            self._shown[owner] = Shown(self._now(), tuple(found))
        self._tell(name, "")
        return None

    def _all(self) -> list[Found]:
        shown = [item for entry in self._shown.values() for item in entry.found]
        return [*(self._known[name] for name in self._selection.names if name in self._known),
                *(item for item in shown if self._selection.matching(item.repository.full_name))]  # fmt: skip

    def _select(self) -> list[Repository]:
        """An archived one is left out, unless it was served before: then its environments have to go first."""
        chosen: dict[int, Repository] = {}
        self._notes = {}
        for item in self._all():
            name, number = item.repository.full_name, item.repository.id
            if item.archived:
                self._notes[name] = f"{name} is archived: no environment is made for it"
            if not item.archived or number in self._served:
                chosen.setdefault(number, item.repository)
        for pattern in self._selection.patterns:
            owner = pattern.partition("/")[0]
            listed = "*" in self._shown or owner in self._shown
            if listed and not any(self._selection.matching(item.full_name) == pattern for item in chosen.values()):
                self._notes[pattern] = f"{pattern}: nothing that we were given access to fits"
        self._served |= chosen.keys()
        return list(chosen.values())

    def _tell(self, name: str, problem: str) -> None:
        with self._lock:
            if problem:
                self._problems[name] = problem
            else:
                self._problems.pop(name, None)

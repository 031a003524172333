"""A target in memory that holds the parts of every stack of a ``FakeExecutor``, and leftovers."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from programs import restarts
from programs.fake import FakeTarget
from programs.inventory import PROCESS_KINDS
from programs.runtime_info import LogLines, LogRequest
from programs.spec import EnvironmentSpec
from stacks.executors.fake import FakeExecutor


class FakeMachine(FakeTarget):
    """``unreadable``: it can't be inspected. ``purge_error``: why purges fail; empty: they don't. ``printed``: what
    its services printed. ``restarted``: each restart with the environment and the service."""

    def __init__(self, stacks: FakeExecutor) -> None:
        self._stacks = stacks
        self.leftovers: set[str] = set()
        self.unreadable = False
        self.printed: list[str] = []
        self.log_requests: list[LogRequest] = []
        self.restarted: list[tuple[str, str]] = []
        self.purge_error = ""
        self.purge_attempts = self.peak_purges = 0
        self.purging: set[str] = set()
        self._purges_may_end = threading.Event()
        self._purges_may_end.set()
        self._lost: dict[str, int] = {}

    # --- the world's verbs

    def lose(self, part: str) -> None:
        """Deletes a part behind Eph's back; an update with a refresh brings it back."""
        self._lost[part] = len(self._stacks.started)

    def hold_purges(self) -> None:
        """Purges take until ``release_purges``."""
        self._purges_may_end.clear()

    def release_purges(self) -> None:
        self._purges_may_end.set()

    # --- what Eph asks of it

    def live_resources(self, settings: Mapping[str, str]) -> dict[str, frozenset[str]]:
        if self.unreadable:
            raise ConnectionError("the database server does not answer")
        parts = [
            part
            for record in self._stacks.records.values()
            for part in record.resource_names
            if not self._is_lost(part)
        ]
        kinds = ("Service", "Database")
        found = {kind: frozenset(p.partition(":")[2] for p in parts if p.startswith(f"{kind}:")) for kind in kinds}
        return {**found, PROCESS_KINDS: frozenset({"Service"})}

    def _is_lost(self, part: str) -> bool:
        since = self._lost.get(part)
        return since is not None and not any(each.refresh for each in self._stacks.started[since:])

    def list_environments(self, settings: Mapping[str, str]) -> frozenset[str]:
        return frozenset(self.names_in_use() | self.leftovers)

    def names_in_use(self) -> set[str]:
        return {record.tag.name for record in self._stacks.records.values() if record.tag is not None}

    def purge(self, name: str, settings: Mapping[str, str]) -> None:
        assert name not in self.names_in_use(), f"{name} is in use, and its parts were purged"
        self.purge_attempts += 1
        if self.purge_error:
            raise OSError(self.purge_error)
        self.purging.add(name)
        self.peak_purges = max(self.peak_purges, len(self.purging))
        assert self._purges_may_end.wait(20), "nobody called release_purges"
        self.purging.remove(name)
        self.leftovers.discard(name)

    def sleep(self, name: str, settings: Mapping[str, str]) -> None:
        """Only declares that the target can sleep; ``FakeExecutor`` does it."""

    def wake(self, name: str, settings: Mapping[str, str], wait: bool = True) -> None:
        """Likewise."""

    def restart(self, name: str, settings: Mapping[str, str], service: str) -> list[str]:
        services = restarts.select(["web"], service, name)
        self.restarted.append((name, service))
        return services

    def drop_database(self, spec: EnvironmentSpec, database: str) -> None:
        """Likewise."""

    def logs(self, name: str, settings: Mapping[str, str], request: LogRequest) -> LogLines:
        self.log_requests.append(request)
        return LogLines(tuple(self.printed), {})

"""One harness per backend: it does to the backend what Pulumi, a crash or an operator would do.

A new backend adds its harness to ``HARNESSES``, and ``test_backends`` runs on it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from stacks import keys, names
from stacks.backends import registry, update_history
from stacks.backends.fake import FakeBackend
from stacks.backends.file.file_backend import FileBackend
from stacks.backends.port import Backend
from stacks.model import OperationVerb, Outcome, StackLock, StackRef, StackUpdate

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
_KINDS = {OperationVerb.UP: "update", OperationVerb.DESTROY: "destroy"}


def ref(number: int) -> StackRef:
    return names.stack_ref(keys.pull_request(12345, number), "acme/shop")


class BackendHarness(Protocol):
    @property
    def backend(self) -> Backend: ...

    def reopen(self) -> Backend:
        """The same backend, as another process opens it."""

    def end_update(self, number: int, update: StackUpdate) -> None:
        """Pulumi writes this entry into the stack's history."""

    def lock(self, number: int, name: str, *, dead: bool, host: str = "") -> None:
        """Pulumi takes a lock; ``dead``: no process of this machine has its owner's pid. ``host``: the owner's machine,
        empty for this one."""

    def truncate_state(self, number: int) -> None: ...

    def corrupt_tag(self, number: int) -> None: ...

    def add_foreign_stack(self) -> None: ...

    def remove(self, number: int) -> None:
        """``pulumi stack rm``."""

    def disconnect(self) -> None:
        """What was a backend with stacks isn't reachable."""

    def close(self) -> None:
        """Ends what the harness started."""


class FakeHarness:
    def __init__(self, _: Path) -> None:
        self.backend = FakeBackend()

    def reopen(self) -> Backend:
        return self.backend

    def end_update(self, number: int, update: StackUpdate) -> None:
        record = self.backend.records[ref(number)]
        self.backend.records[record.ref] = replace(record, history=(*record.history, update))

    def lock(self, number: int, name: str, *, dead: bool, host: str = "") -> None:
        record = self.backend.records[ref(number)]
        lock = StackLock(name, 7, host or "here", "eph", AT, owner_dead=dead and not host)
        self.backend.records[record.ref] = replace(record, locks=(*record.locks, lock))

    def truncate_state(self, number: int) -> None:
        self.backend.unreadable.add(ref(number))

    def corrupt_tag(self, number: int) -> None:
        self.backend.records[ref(number)] = replace(self.backend.records[ref(number)], tag=None)

    def add_foreign_stack(self) -> None:
        self.backend.foreign_count += 1

    def remove(self, number: int) -> None:
        self.backend.remove(ref(number))

    def disconnect(self) -> None:
        self.backend.incomplete = "the network is down"

    def close(self) -> None:
        return


class FileHarness:
    def __init__(self, folder: Path) -> None:
        self.backend = FileBackend(folder / "stacks with a space")
        self.backend.prepare()
        self._entries = 0

    def reopen(self) -> Backend:
        return registry.open_backend(self.backend.url)

    def end_update(self, number: int, update: StackUpdate) -> None:
        folder = self.backend.history_folder(ref(number))
        folder.mkdir(parents=True, exist_ok=True)
        message = update_history.message(update.verb, update.commit)
        entry = {
            "kind": _KINDS[update.verb],
            "message": update_history.cancelled_message(message) if update.outcome is Outcome.CANCELLED else message,
            "result": "succeeded" if update.outcome is Outcome.SUCCEEDED else "failed",
            "endTime": int(update.ended_at.timestamp()),
        }
        self._entries += 1
        stem = folder / f"{ref(number).stack}-{1000 + self._entries}"
        stem.with_suffix(".history.json").write_text(json.dumps(entry))
        stem.with_suffix(".checkpoint.json").write_text("{}")

    def lock(self, number: int, name: str, *, dead: bool, host: str = "") -> None:
        folder = self.backend.lock_folder(ref(number))
        folder.mkdir(parents=True, exist_ok=True)
        owner = {"pid": 1 << 30 if dead else os.getpid(), "username": "eph", "hostname": host or socket.gethostname()}
        (folder / f"{name}.json").write_text(json.dumps({**owner, "timestamp": datetime.now(UTC).isoformat()}))

    def truncate_state(self, number: int) -> None:
        self._replace(self.backend.state_file(ref(number)), '{"version": 3, "check')

    def corrupt_tag(self, number: int) -> None:
        self._replace(self.backend.tag_file(ref(number)), '{"version": 1, "ta')

    def add_foreign_stack(self) -> None:
        path = self.backend.state_file(StackRef("payroll", "production"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")

    def remove(self, number: int) -> None:
        self.backend.state_file(ref(number)).unlink()

    def disconnect(self) -> None:
        shutil.rmtree(self.backend.root)

    def close(self) -> None:
        return

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        path.write_text(text)


@dataclass(frozen=True)
class HarnessEntry:
    """``schemes`` are those of the adapter under test; empty for the fake, which no URL opens."""

    create: Callable[[Path], BackendHarness]
    schemes: tuple[str, ...] = ()


HARNESSES: Mapping[str, HarnessEntry] = {
    "fake": HarnessEntry(FakeHarness),
    "file": HarnessEntry(FileHarness, ("file",)),
}

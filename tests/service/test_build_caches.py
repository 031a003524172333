"""Build caches are listed and cleared for all targets, and the audit trail says by whom: T1, P5, S1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

import pytest

from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service.changes.build_caches import BuildCaches
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.build_caches import CacheArchive
from programs.fake import FakeTarget
from programs.registry import Target

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class CachingTarget(FakeTarget):
    def __init__(self, *repositories: str) -> None:
        super().__init__()
        self.archives = {name: CacheArchive(name, 5_000_000, NOW.timestamp(), 0.0) for name in repositories}

    def list_build_caches(self, settings: Mapping[str, str]) -> list[CacheArchive]:
        return list(self.archives.values())

    def remove_build_cache(self, repository: str, settings: Mapping[str, str]) -> bool:
        return self.archives.pop(repository, None) is not None


class Server:
    """Two targets with caches, and one without."""

    def __init__(self) -> None:
        self.local, self.static = CachingTarget("42", "43"), CachingTarget("42")
        targets = {"local": self.local, "static": self.static, "kubernetes": FakeTarget()}
        self.ledger = MemoryLedger()
        self.caches = BuildCaches(
            Cycles(),
            lambda name: cast(Target, targets[name]),
            {name: {} for name in targets},
            Journal(self.ledger, lambda: NOW),
        )

    def events(self) -> list[tuple[str, str]]:
        return [(event.kind, event.actor) for event in self.ledger.events("", 0, 10)]


@pytest.fixture
def server() -> Server:
    return Server()


async def test_caches_of_all_targets_are_listed(server: Server) -> None:
    found = await server.caches.all()
    assert [(each.repository_id, each.target) for each in found] == [
        ("42", "local"),
        ("42", "static"),
        ("43", "local"),
    ]
    assert found[0].used_at == NOW


async def test_caches_of_one_repository_are_cleared_and_recorded(server: Server) -> None:
    """S1"""
    assert [each.target for each in await server.caches.clear("42", "ada")] == ["local", "static"]
    assert [(each.repository_id, each.target) for each in await server.caches.all()] == [("43", "local")]
    assert server.events() == [(EventKind.CACHE_CLEARED, "ada")] * 2


async def test_all_caches_are_cleared(server: Server) -> None:
    assert len(await server.caches.clear("", "ada")) == 3
    assert await server.caches.all() == []
    assert await server.caches.clear("", "ada") == []


async def test_unknown_repository_is_an_error(server: Server) -> None:
    with pytest.raises(RequestRefused) as caught:
        await server.caches.clear("44", "ada")
    assert caught.value.reason is RefusalReason.UNKNOWN_REPOSITORY
    assert len(await server.caches.all()) == 3
    assert server.events() == []

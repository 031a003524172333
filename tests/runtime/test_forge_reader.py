"""What the reader of the Git host concludes if a part of its work fails. L1, L7."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from orchestrator.core.model.world import Confirmation, EnvironmentRequest, RepositoryFacts
from orchestrator.forges.port import Repository
from orchestrator.runtime.observation.forge_reader import ForgeReader
from orchestrator.sources.port import ExistingStacks, SourceListing
from orchestrator.sources.pull_requests import PullRequests
from stacks.model import Key, RefKind
from tests.contracts.source_harnesses import PullRequestHarness

NOTHING_EXISTS: ExistingStacks = MappingProxyType({})


def _crash() -> EnvironmentRequest | None:
    raise ZeroDivisionError("a bug in our own code")


@dataclass
class WithBug:
    """The pull requests, with a bug that shows when one of them is read."""

    source: PullRequests
    broken: bool = False

    @property
    def kinds(self) -> frozenset[RefKind]:
        return self.source.kinds

    def list_open(self, repository: Repository, existing: ExistingStacks) -> SourceListing:
        found = self.source.list_open(repository, existing)
        if not self.broken:
            return found
        return replace(found, candidates=tuple(replace(each, read=_crash) for each in found.candidates))

    def confirm(self, repository: Repository, key: Key, ref_name: str) -> Confirmation:
        return self.source.confirm(repository, key, ref_name)


async def test_a_crash_while_reading_a_request_does_not_count_as_a_missing_label() -> None:
    """Its stack may appear before the Git host is read again; it would be destroyed for a label that it has."""
    harness = PullRequestHarness()
    key = harness.request("a")
    source = WithBug(harness.source)
    reader = ForgeReader(harness.forge, [source], harness.context.commits)

    async def read() -> RepositoryFacts:
        return (await reader.read(NOTHING_EXISTS)).facts[harness.repository.id]

    assert key in (await read()).requests
    source.broken = True
    crashed = await read()
    assert (key in crashed.requests, key in crashed.unrequested, key in crashed.open) == (False, False, True)
    source.broken = False
    harness.withdraw("a")
    assert key in (await read()).unrequested

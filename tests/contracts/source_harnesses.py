"""One harness per source: it does what people do to request an environment, and what goes wrong at the Git host.

A new source adds its harness to ``HOSTED``, or to ``HARNESSES`` if its list isn't read from
the Git host, and ``test_sources`` runs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Protocol

from orchestrator.config.eph_yaml.admission import AdmissionPolicy
from orchestrator.core.model.label_deploys import LabelDeploy
from orchestrator.core.model.world import EnvironmentRequest, Recipe, Trust
from orchestrator.forges.fake import FakeForge
from orchestrator.forges.port import ForgeUnavailable, Repository
from orchestrator.runtime.facts.pending_deploys import PendingDeploys
from orchestrator.sources.commit_facts import CommitFacts
from orchestrator.sources.factory import SourceContext
from orchestrator.sources.fake import FakeSource
from orchestrator.sources.label_deploys import LabelDeploys
from orchestrator.sources.port import ExistingStacks, Source
from orchestrator.sources.pull_requests import PullRequests
from orchestrator.sources.recipe_reader import RecipeReader, ServerRules
from orchestrator.sources.refs import Refs
from stacks import keys, names
from stacks.model import Key, RefKind, StackRecord
from tests.worlds.eph_files import eph_yaml
from tests.worlds.plan.pull_requests import sha, spec

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LABEL = "preview"
DOWN = ForgeUnavailable("502 from the Git host")


def branch_trigger(*patterns: str) -> str:
    return f"triggers:\n  - type: branch\n    branches: [{', '.join(patterns)}]\n"


class SourceHarness(Protocol):
    @property
    def source(self) -> Source: ...

    @property
    def repository(self) -> Repository:
        """As the Git host reports it now."""

    @property
    def existing(self) -> ExistingStacks:
        """The stacks that a source may find its desire in."""

    def request(self, name: str) -> Key: ...

    def push(self, name: str) -> str:
        """A new commit; returns it."""

    def withdraw(self, name: str) -> None:
        """It stays open, but requests nothing any more."""

    def remove(self, name: str) -> None:
        """It ends, in the way that this source knows."""


class HostedHarness(SourceHarness, Protocol):
    """A source whose list is read from the Git host."""

    def lose_half(self) -> None:
        """The next list lacks a part and says so."""

    def disconnect(self) -> None:
        """Nothing can be read any more."""


class _OnForge:
    """A repository on a Git host in memory."""

    existing: ExistingStacks = MappingProxyType({})

    def __init__(self, more: str) -> None:
        self.forge = FakeForge()
        self._home = self.forge.create_repository("acme/shop", eph_yaml(more))
        rules = ServerRules(AdmissionPolicy(installed_targets=frozenset({"local"})), b"k" * 32, "localhost", {})
        recipes = RecipeReader(self.forge, replace(rules, settings={"local": {}}), lambda: AT)
        self.context = SourceContext(self.forge, recipes, CommitFacts(self.forge, lambda: AT))

    @property
    def repository(self) -> Repository:
        [found] = self.forge.repositories()
        return found

    def disconnect(self) -> None:
        self.forge.hide(self._home)


class PullRequestHarness(_OnForge):
    def __init__(self) -> None:
        super().__init__("")
        self.source = PullRequests(self.forge, self.context.recipes, self.context.commits, frozenset())
        self._numbers: dict[str, int] = {}
        self._known = self.repository

    def request(self, name: str) -> Key:
        self.push(name)
        self._numbers[name] = self.forge.open_pull(self._known, name)
        self.forge.label(self._known, self._numbers[name], LABEL)
        return keys.pull_request(self._known.id, self._numbers[name])

    def push(self, name: str) -> str:
        return self.forge.push(self._known, name, {"text": name})

    def withdraw(self, name: str) -> None:
        self.forge.unlabel(self._known, self._numbers[name], LABEL)

    def remove(self, name: str) -> None:
        self.forge.close_pull(self._known, self._numbers[name])

    def lose_half(self) -> None:
        self.forge.truncate_next_pulls(self._known, 1)


class RefHarness(_OnForge):
    """Branches. A branch requests nothing any more once the default branch's file selects others."""

    def __init__(self) -> None:
        super().__init__(branch_trigger("release/*"))
        self._names: set[str] = set()
        self.source = Refs(self.forge, self.context.recipes, self.context.commits, max_refs=20)
        self._known = self.repository

    def request(self, name: str) -> Key:
        self._names.add(name)
        self.push(name)
        return keys.ref(self._known.id, RefKind.BRANCH, f"release/{name}")

    def push(self, name: str) -> str:
        return self.forge.push(self._known, f"release/{name}", {"text": name})

    def withdraw(self, name: str) -> None:
        others = branch_trigger(*(f"release/{other}" for other in sorted(self._names - {name})))
        self.forge.push(self._known, "main", eph_yaml(others))

    def remove(self, name: str) -> None:
        self.forge.delete_branch(self._known, f"release/{name}")

    def lose_half(self) -> None:
        self.forge.truncate_next_refs(self._known, 1)


class LabelDeployHarness(_OnForge):
    """Its desire lives in the process, and then in the stacks. The Git host only has the commits."""

    def __init__(self) -> None:
        super().__init__("")
        self._known = self.repository
        self._pending = PendingDeploys()
        self.existing: dict[Key, StackRecord] = {}
        self.source = LabelDeploys(self.context.recipes, self._pending.requests)

    def request(self, name: str) -> Key:
        self.push(name)
        return self._key(name)

    def push(self, name: str) -> str:
        """Nothing follows the branch: someone deploys its newest commit."""
        commit, key = self.forge.push(self._known, name, {"text": name}), self._key(name)
        self._pending.add(key, LabelDeploy(name, commit, AT + timedelta(hours=1), "ada"), AT)
        self.existing[key] = StackRecord(names.stack_ref(key, self._known.full_name))
        return commit

    def withdraw(self, name: str) -> None:
        self._pending.withdraw(self._key(name), "ada destroyed it", AT)

    def remove(self, name: str) -> None:
        """Its stack is gone."""
        self.withdraw(name)
        del self.existing[self._key(name)]

    def _key(self, name: str) -> Key:
        return keys.ref(self._known.id, RefKind.DEPLOY, name)


class FakeSourceHarness:
    repository = Repository(1000, "acme/shop", "/nowhere/shop.git", "main")
    existing: ExistingStacks = MappingProxyType({})

    def __init__(self) -> None:
        self.source = FakeSource(frozenset({RefKind.TAG}))
        self._pushes = 0

    def request(self, name: str) -> Key:
        self.push(name)
        return self._key(name)

    def push(self, name: str) -> str:
        self._pushes += 1
        commit = sha(str(self._pushes))
        recipe = Recipe(spec(name, commit), frozenset())
        reason = f"{name} was requested"
        self.source.request(EnvironmentRequest(self._key(name), commit, name, recipe, reason, Trust.TRUSTED))
        return commit

    def withdraw(self, name: str) -> None:
        self.source.withdraw(self._key(name), f"{name} requests nothing")

    def remove(self, name: str) -> None:
        self.source.remove(self._key(name))

    def lose_half(self) -> None:
        self.source.missing_part = "page 2 is missing"

    def disconnect(self) -> None:
        self.source.error = DOWN

    def _key(self, name: str) -> Key:
        return keys.ref(self.repository.id, RefKind.TAG, name)


HOSTED: Mapping[str, Callable[[], HostedHarness]] = {
    "fake": FakeSourceHarness,
    "pull_requests": PullRequestHarness,
    "refs": RefHarness,
}
HARNESSES: Mapping[str, Callable[[], SourceHarness]] = {**HOSTED, "label_deploys": LabelDeployHarness}

"""A whole Eph without processes, in virtual time: the real loop, memory, executor and reporter between a Git host in
memory (``FakeForge``) and stacks in memory (``FakeExecutor``).

Stories speak in the world's verbs (``push``, ``close``, ``run_for`` an hour) and assert what came of it: stacks,
phases, comments. Nothing sleeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.core.model.world import Intent, IntentKind
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Repository
from orchestrator.service.deploys.deploy_port import DeployRequest, DeployStatus
from stacks import keys, names
from stacks.model import Key, RefKind, StackRecord, StackRef
from tests.worlds.world_time import WorldTime

TRIGGER_LABEL = "preview"


class World(WorldTime):
    # --- what people do

    def open_pull(
        self,
        title: str = "a change",
        *,
        label: bool = True,
        by: str = "ada",
        from_fork: bool = False,
        repository: Repository | None = None,
        files: Mapping[str, str | None] | None = None,
    ) -> int:
        """A pull request from a branch of its own."""
        home, branch = repository or self.shop, f"{title}-{next(self._branches)}"
        self.forge.push(home, branch, files or {"text": title})
        number = self.forge.open_pull(home, branch, title, by, from_fork)
        if label:
            self.forge.label(home, number, TRIGGER_LABEL)
        return number

    def push(self, number: int, files: Mapping[str, str] | None = None) -> str:
        branch = self.forge.pull(self.shop, number).head_ref
        return self.forge.push(self.shop, branch, files or {"text": f"at {self.now}"})

    def close_pull(self, number: int) -> None:
        self.forge.close_pull(self.shop, number)

    def merge(self, number: int) -> None:
        self.forge.merge(self.shop, number)

    def reopen(self, number: int) -> None:
        self.forge.reopen(self.shop, number)

    def label(self, number: int, label: str = TRIGGER_LABEL) -> None:
        self.forge.label(self.shop, number, label)

    def unlabel(self, number: int, label: str = TRIGGER_LABEL) -> None:
        self.forge.unlabel(self.shop, number, label)

    def request_action(self, kind: str, number: int, until: datetime | None = None) -> None:
        self.facts.intents.add(Intent(self.ref(number), IntentKind(kind), "bob", self.now, until))
        self.wakeups.wake(refresh=True)

    def hold(self, number: int | Key) -> StackRef:
        """Operations on it take until ``release``, or until they are interrupted."""
        ref = self.ref(number)
        self.held_stacks.add(ref)
        self.stacks.hold(ref)
        return ref

    def branch(self, name: str, files: Mapping[str, str | None] | None = None) -> str:
        """A push to a branch, without a pull request. Returns the commit."""
        return self.forge.push(self.shop, name, files or {"text": f"{name} at {self.now}"})

    async def deploy(self, label: str, ref: str = "", by: str = "bob", **how: Any) -> DeployStatus:
        """``eph deploy LABEL --ref REF``."""
        return await self.system.service.deploy(DeployRequest(label, ref=ref, **how), by)

    # --- what can be seen

    def deploy_key(self, label: str) -> Key:
        return keys.ref(self.shop.id, RefKind.DEPLOY, label)

    def deploys(self) -> set[str]:
        """The labels of all deploys that have a stack."""
        found = ((names.parse(ref), record) for ref, record in self.stacks.records.items())
        return {
            record.tag.ref_name if record.tag else "?"
            for key, record in found
            if key is not None and key.kind is RefKind.DEPLOY
        }

    def deploy_state(self, deploy: DeployStatus) -> str:
        return self.system.service.deploy_status(deploy.id).state

    def ref(self, number: int | Key, repository: Repository | None = None) -> StackRef:
        home = repository or self.shop
        key = number if isinstance(number, Key) else keys.pull_request(home.id, number)
        for ref in (*self.stacks.records, *self.executor.running):
            if names.parse(ref) == key:
                return ref
        return names.stack_ref(key, home.full_name)

    def head(self, number: int) -> str:
        return self.forge.pull(self.shop, number).head_sha

    def stack(self, number: int | Key, repository: Repository | None = None) -> StackRecord | None:
        return self.stacks.records.get(self.ref(number, repository))

    def view(self, number: int | Key, repository: Repository | None = None) -> EnvironmentView | None:
        ref = self.ref(number, repository)
        return next((view for view in self.last_cycle.views if view.ref == ref), None)

    def phase(self, number: int | Key, repository: Repository | None = None) -> Phase | None:
        view = self.view(number, repository)
        return view.phase if view else None

    def running_commit(self, number: int | Key) -> str:
        """The commit that runs there; empty when nothing does."""
        record = self.stack(number)
        return record.built.commit if record and record.built else ""

    def url(self, number: int) -> str:
        record = self.stack(number)
        return record.built.url if record and record.built else ""

    def comment(self, number: int) -> str:
        """The one comment; there is never a second."""
        found = self.forge.comments(self.shop, number)
        assert len(found) <= 1
        return found[0] if found else ""

    def event_messages(self, kind: str) -> list[str]:
        return [event.message for event in self.ledger.events(limit=10_000) if event.kind == kind]

    def built_commits(self, number: int) -> list[str]:
        """The commits that were built for it, or begun."""
        return [each.commit for each in self.stacks.started if each.ref == self.ref(number) and each.commit]

"""Accepts label deploys (M1, M3): checks the order completely, then hands it to the loop as one fact.

Nothing is written here. The order becomes part of the desired state, and the stack's lane records it in its tag.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core.model import label_deploys
from orchestrator.core.model.label_deploys import LabelDeploy
from orchestrator.core.model.policy import DeployLimits
from orchestrator.core.model.world import Recipe, RecipeError, Trust
from orchestrator.core.util import deploy_labels
from orchestrator.core.util.deploy_labels import InvalidLabel
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.phases import Phase
from orchestrator.forges.port import Forge, ForgeError, Repository
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.cycles import Cycles
from orchestrator.runtime.facts.pending_deploys import DeployProgress, DeployState, PendingDeploys
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.service import repositories
from orchestrator.service.deploys import wording
from orchestrator.service.deploys.deploy_port import DeployRequest, DeployStatus, UploadedCommit
from orchestrator.service.deploys.working_copies import WorkingCopies
from orchestrator.service.port import DeployNotFound, RefusalReason, RequestRefused, TemporarilyUnavailable
from orchestrator.sources.recipe_reader import RecipeQuery, RecipeReader
from stacks import keys, names, tags
from stacks.model import Key, RefKind, StackTag

_VERSION = re.compile(r"[0-9a-f]{7,40}")
MAX_PERSON = 39
"""The tag has little space."""
_LEAVING = (Phase.DESTROYING, Phase.DESTROYED, Phase.EXPIRED)


@dataclass(frozen=True, slots=True)
class LabelDeployDependencies:
    """``recipes`` isn't used by any other caller. ``reserved_hosts`` lead to Eph itself or to an app."""

    forge: Forge
    recipes: RecipeReader
    cycles: Cycles
    pending: PendingDeploys
    limits: DeployLimits
    reserved_hosts: frozenset[str]
    clock: Clock
    journal: Journal
    wakeups: Wakeups
    working_copies: WorkingCopies


@dataclass(frozen=True, slots=True)
class _CheckedDeploy:
    """A deploy that nothing speaks against, except the limit."""

    key: Key
    repository: Repository
    deploy: LabelDeploy
    host: str


class LabelDeployService:
    def __init__(self, dependencies: LabelDeployDependencies) -> None:
        self._deps = dependencies
        self._reading = asyncio.Lock()
        """The reader is for one caller at a time."""

    async def deploy(self, request: DeployRequest, by: str) -> DeployStatus:
        """Raises RequestRefused or TemporarilyUnavailable. Nothing changes then."""
        ttl = self._check_ttl(request.ttl)
        repository = repositories.find(self._deps.cycles, request.repository)
        commit = await self._resolve_commit(repository, request, by)
        checked = await self._check(repository, request.label, commit, by)
        # From here on nothing waits, so two deploys at once can't both take the last place.
        now = self._deps.clock().replace(microsecond=0)
        deploy = replace(checked.deploy, expires_at=now + ttl)
        self._check_limit(checked.key, request.max_deploys, by)
        evicts = self._make_room(checked.key, deploy.label)
        order = self._deps.pending.add(checked.key, deploy, self._deps.clock(), evicts, by)
        stack = names.stack_ref(checked.key, repository.full_name)
        message = wording.deploy_requested(deploy)
        self._deps.journal.record(EventKind.DEPLOY_REQUESTED, message, str(stack), by, commit=deploy.commit)
        self._deps.wakeups.wake_soon(refresh=True)
        return self._to_status(DeployProgress(order, DeployState.PENDING, order.at), repository, checked.host)

    async def upload(self, repository: str, body: AsyncIterator[bytes], by: str) -> UploadedCommit:
        """Raises RequestRefused or TemporarilyUnavailable. Nothing changes then."""
        return await self._deps.working_copies.receive(repositories.find(self._deps.cycles, repository), body, by)

    def status(self, deploy: str) -> DeployStatus:
        """Raises DeployNotFound."""
        progress = self._deps.pending.progress(deploy)
        repository = self._repositories().get(progress.order.key.repository) if progress else None
        if progress is None or repository is None:
            raise DeployNotFound(wording.deploy_not_found(deploy))
        return self._to_status(progress, repository, "")

    def withdraw(self, key: Key, by: str) -> None:
        self._deps.pending.withdraw(key, wording.deploy_withdrawn(by), self._deps.clock())

    def pending_deploy(self, key: Key) -> LabelDeploy | None:
        """What is about to replace the deploy under that label."""
        order = self._deps.pending.requests().orders.get(key)
        return order.deploy if order else None

    def latest_end(self) -> datetime:
        """The end that an extension can't exceed."""
        return self._deps.clock() + self._deps.limits.max_ttl

    # --- checks

    def _check_ttl(self, ttl: timedelta | None) -> timedelta:
        limits = self._deps.limits
        length = limits.default_ttl if ttl is None else ttl
        if not timedelta(seconds=1) <= length <= limits.max_ttl:
            raise RequestRefused(RefusalReason.INVALID_TTL, wording.invalid_ttl(length, limits.max_ttl))
        return length

    def _repositories(self) -> dict[int, Repository]:
        return dict(self._deps.cycles.latest.forge.repositories)

    async def _resolve_commit(self, repository: Repository, request: DeployRequest, by: str) -> str:
        """A branch, a tag, a version that was built, or the caller's own upload. Any other commit could be a fork's
        that no one approved."""
        if sum(map(bool, (request.ref, request.version, request.upload))) != 1:
            raise RequestRefused(RefusalReason.UNKNOWN_VERSION, wording.REF_OR_VERSION)
        if request.upload:
            return await self._deps.working_copies.claim(repository, request.upload.lower(), by)
        if request.version:
            commit = self._find_version(repository, request.version.lower(), by)
            is_upload = self._deps.working_copies.is_upload(repository.id, commit)
            return await self._deps.working_copies.claim(repository, commit, by) if is_upload else commit
        try:
            return await asyncio.to_thread(self._find_ref, repository, request.ref)
        except ForgeError as error:
            raise TemporarilyUnavailable(wording.refs_unreadable(repository.full_name, error)) from error

    def _find_ref(self, repository: Repository, name: str) -> str:
        for kind in (RefKind.BRANCH, RefKind.TAG):
            refs = self._deps.forge.refs(repository, kind, (name,))
            if name in refs.commits:
                return refs.commits[name]
            if not refs.complete:
                raise TemporarilyUnavailable(wording.refs_unreadable(repository.full_name, refs.reason))
        raise RequestRefused(RefusalReason.UNKNOWN_VERSION, wording.unknown_ref(repository.full_name, name))

    def _find_version(self, repository: Repository, version: str, by: str) -> str:
        built = {
            commit
            for view in self._views(repository.id)
            if view.commit and not self._is_fork(view)
            for commit in (view.commit, *(build.commit for build in view.earlier_builds))
            if self._deps.working_copies.may_use(repository.id, commit, by)
        }
        found = {commit for commit in built if _VERSION.fullmatch(version) and commit.startswith(version)}
        if not found:
            self._check_origins_known(repository, version)
        if len(found) != 1:
            known = sorted(commit[:12] for commit in built)
            raise RequestRefused(RefusalReason.UNKNOWN_VERSION, wording.unknown_version(version, len(found), known))
        return found.pop()

    def _is_fork(self, view: EnvironmentView) -> bool:
        """An approved commit of a fork ran with the base branch's eph.yaml; here its own file would count."""
        facts = self._deps.cycles.latest.forge.facts.get(view.key.repository) if view.key else None
        request = facts.requests.get(view.key) if facts and view.key else None
        return request is None or request.trust is not Trust.TRUSTED

    def _check_origins_known(self, repository: Repository, version: str) -> None:
        """While it isn't known whose a commit is, it counts as a fork's, but that is no reason to deny that it was
        built."""
        facts = self._deps.cycles.latest.forge.facts.get(repository.id)
        for view in self._views(repository.id):
            is_known = view.key is None or (facts and (view.key in facts.requests or facts.is_complete_for(view.key)))
            if not is_known and view.commit and view.commit.startswith(version):
                raise TemporarilyUnavailable(wording.origin_unknown(repository.full_name, view.commit))

    async def _check(self, repository: Repository, label: str, commit: str, by: str) -> _CheckedDeploy:
        name = self._normalize(label, "")
        key = keys.ref(repository.id, RefKind.DEPLOY, name)
        query = RecipeQuery(key, commit, name, repository.default_branch)
        existing = next((view.name for view in self._views(repository.id) if view.key == key), "")
        async with self._reading:
            recipe = await asyncio.to_thread(self._deps.recipes.recipe_for, repository, query, existing)
        if isinstance(recipe, RecipeError):
            problem = wording.invalid_recipe(commit, recipe.problems)
            if recipe.transient:
                raise TemporarilyUnavailable(problem)
            raise RequestRefused(RefusalReason.INVALID_RECIPE, problem)
        self._normalize(label, recipe.app.branch or repository.default_branch)
        self._check_host(recipe, key)
        person = self._shortened(key, name, (recipe.spec.name, recipe.spec.target), by)
        if person is None:
            raise RequestRefused(RefusalReason.INVALID_LABEL, wording.label_too_long(name, recipe.spec.name))
        return _CheckedDeploy(key, repository, LabelDeploy(name, commit, self._deps.clock(), person), recipe.spec.host)

    def _shortened(self, key: Key, label: str, stack: tuple[str, str], by: str) -> str | None:
        """As much of the person's name as the stack's tag has space for, in every state that it can be in. ``stack``:
        its name and target. None: not even an empty one."""
        now, (name, target) = self._deps.clock(), stack
        longest = StackTag(key, "", name, "0" * 8, "0" * 40, now, now, now, half=True, ref_name=label, target=target)
        for kept in range(min(len(by), MAX_PERSON), -1, -1):
            try:
                tags.encode(replace(longest, by=by[:kept]))
            except ValueError:
                continue
            return by[:kept]
        return None

    def _normalize(self, label: str, active_branch: str) -> str:
        try:
            return deploy_labels.validate(label, active_branch)
        except InvalidLabel as error:
            raise RequestRefused(RefusalReason.INVALID_LABEL, str(error)) from error

    def _check_host(self, recipe: Recipe, key: Key) -> None:
        """A label must not hide a host that already leads somewhere."""
        host = recipe.spec.host
        if host in self._deps.reserved_hosts:
            raise RequestRefused(RefusalReason.HOST_TAKEN, wording.host_reserved(host))
        for view in self._deps.cycles.latest.views:
            if view.host == host and view.key != key:
                raise RequestRefused(RefusalReason.HOST_TAKEN, wording.host_taken(host, display_name(view)))

    # --- limit

    def _check_limit(self, key: Key, limit: int, by: str) -> None:
        """The limit of the caller's token. The tag has no space for a token's ID, so those of its owner count."""
        if limit and len([each for each in self._live_deploys() if each != key and self._owns(each, by)]) >= limit:
            raise RequestRefused(RefusalReason.TOO_MANY_DEPLOYS, wording.too_many_deploys(by, limit))

    def _owns(self, key: Key, by: str) -> bool:
        order = self._deps.pending.requests().orders.get(key)
        if order is not None:
            return order.owner == by
        view = next(view for view in self._deps.cycles.latest.views if view.key == key)
        return view.author == self._shortened(key, view.ref_name, (view.name, view.target), by)

    def _make_room(self, key: Key, label: str) -> Key | None:
        """The deploy that makes room for a new one, if the limit is reached."""
        live = {each: end for each, end in self._live_deploys().items() if each.repository == key.repository}
        if key in live or len(live) < self._deps.limits.per_app:
            return None
        oldest = label_deploys.nearest_to_expiry(live.items())
        if oldest in self._deps.pending.requests().orders:  # nothing of it may exist yet
            self._deps.pending.withdraw(oldest, wording.made_room(label), self._deps.clock())
        return oldest

    def _live_deploys(self) -> dict[Key, datetime]:
        """When they end; with those that are only ordered yet, and without those that are leaving."""
        requests, now = self._deps.pending.requests(), self._deps.clock()
        leaving = {order.evicts for order in requests.orders.values()} | requests.withdrawn.keys()
        live = {
            view.key: view.expires_at
            for view in self._deps.cycles.latest.views
            if view.key and view.key.kind is RefKind.DEPLOY and view.expires_at and view.expires_at > now
            if view.phase not in _LEAVING
        }
        live |= {each: order.deploy.expires_at for each, order in requests.orders.items()}
        return {each: end for each, end in live.items() if each not in leaving}

    def _views(self, repository: int) -> list[EnvironmentView]:
        return [view for view in self._deps.cycles.latest.views if view.key and view.key.repository == repository]

    def _to_status(self, progress: DeployProgress, repository: Repository, host: str) -> DeployStatus:
        order = progress.order
        view = next((each for each in self._deps.cycles.latest.views if each.key == order.key), None)
        is_live = view is not None and progress.state is DeployState.DEPLOYED
        return DeployStatus(
            id=order.id,
            state=str(progress.state),
            error=progress.error,
            label=order.deploy.label,
            repository=repository.full_name,
            ref=view.ref if view else names.stack_ref(order.key, repository.full_name),
            host=host or (view.host if view else ""),
            url=view.url if view is not None and is_live else "",
            commit=order.deploy.commit,
            expires_at=order.deploy.expires_at,
            by=order.deploy.by,
            progress=view.progress if view else "",
            replaces=view.commit if view and not is_live else "",
            output=progress.output,
        )

"""Requests that change how long an environment exists and runs: up, down, extend, keep, sleep, wake. Each is recorded
as an intent, which the next plan respects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core.model.world import Intent, IntentKind
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.suites.suite_runner import SuiteRunner
from orchestrator.service import wording
from orchestrator.service.changes.git_host import GitHostChanges
from orchestrator.service.deploys import wording as deploy_wording
from orchestrator.service.deploys.label_deploy_service import LabelDeployService
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.registry import Sleeps, Target
from stacks.model import RefKind


@dataclass(frozen=True, slots=True)
class LifetimeDependencies:
    """``refresh`` triggers a cycle."""

    intents: PendingIntents
    journal: Journal
    clock: Clock
    suite_runner: SuiteRunner
    label_deploys: LabelDeployService
    git_host: GitHostChanges
    target: Callable[[str], Target]
    refresh: Callable[[], None]


class LifetimeChanges:
    """``view``: an environment that may be changed now."""

    def __init__(self, dependencies: LifetimeDependencies) -> None:
        self._deps = dependencies

    def up(self, view: EnvironmentView, by: str) -> EnvironmentView:
        self._deps.suite_runner.retry(view.ref)
        self.record_intent(view, IntentKind.RETRY, by)
        self._deps.journal.record(EventKind.INTENT_RETRY, wording.REQUESTED_RETRY, str(view.ref), by)
        return view

    async def down(self, view: EnvironmentView, by: str) -> EnvironmentView:
        """Remove the label first: while it is set, the environment is requested."""
        if view.key is not None and view.key.kind is RefKind.DEPLOY:
            self._deps.label_deploys.withdraw(view.key, by)
        else:
            await self._deps.git_host.remove_request(view)
        self.record_intent(view, IntentKind.DOWN, by)
        self._deps.journal.record(EventKind.INTENT_DOWN, wording.REQUESTED_DESTROY, str(view.ref), by)
        return view

    def extend(self, view: EnvironmentView, seconds: int, by: str) -> EnvironmentView:
        if seconds <= 0:
            raise RequestRefused(RefusalReason.INVALID_TTL, wording.extension_not_positive(seconds))
        if view.phase in (Phase.DESTROYING, Phase.DESTROYED):
            raise RequestRefused(RefusalReason.BEING_DESTROYED, wording.being_destroyed(view.name, "be extended"))
        if not view.commit:
            raise RequestRefused(RefusalReason.NOT_CREATED, wording.not_created(view.name, wording.TIMER_STARTS_LATER))
        self._check_not_replaced(view)
        now = self._deps.clock()
        # Whole seconds, as in the tag, so that both show the same time.
        until = (max(view.expires_at or now, now) + timedelta(seconds=seconds)).replace(microsecond=0)
        is_deploy = view.key is not None and view.key.kind is RefKind.DEPLOY
        if is_deploy and until > (latest := self._deps.label_deploys.latest_end()):
            raise RequestRefused(RefusalReason.INVALID_TTL, deploy_wording.extended_too_far(view.name, latest))
        self.record_intent(view, IntentKind.EXTEND, by, until)
        self._deps.journal.record(EventKind.INTENT_EXTEND, wording.requested_extension(until), str(view.ref), by)
        return replace(view, expires_at=until)

    def _check_not_replaced(self, view: EnvironmentView) -> None:
        """The end of a pending deploy replaces that of the live one, and an extension of it would be lost."""
        pending = self._deps.label_deploys.pending_deploy(view.key) if view.key else None
        if pending is not None:
            raise RequestRefused(RefusalReason.BEING_REPLACED, deploy_wording.being_replaced(view.name, pending))

    def keep(self, view: EnvironmentView, keep: bool, by: str) -> EnvironmentView:
        if view.phase in (Phase.DESTROYING, Phase.DESTROYED):
            raise RequestRefused(RefusalReason.BEING_DESTROYED, wording.being_destroyed(view.name, "be kept"))
        if view.key is not None and view.key.kind is RefKind.DEPLOY:
            raise RequestRefused(RefusalReason.HAS_FIXED_TTL, deploy_wording.deploy_not_kept(view.name))
        if not view.commit:
            raise RequestRefused(RefusalReason.NOT_CREATED, wording.not_created(view.name, wording.KEEP_LATER))
        self.record_intent(view, IntentKind.KEEP if keep else IntentKind.UNKEEP, by)
        kind, message = (
            (EventKind.INTENT_KEEP, wording.REQUESTED_KEEP)
            if keep
            else (EventKind.INTENT_UNKEEP, wording.REQUESTED_UNKEEP)
        )
        self._deps.journal.record(kind, message, str(view.ref), by)
        return replace(view, kept=keep, expires_at=None if keep else view.expires_at)

    def sleep(self, view: EnvironmentView, by: str) -> EnvironmentView:
        return self._sleep_or_wake(view, IntentKind.SLEEP, by)

    def wake_up(self, view: EnvironmentView, by: str) -> EnvironmentView:
        return self._sleep_or_wake(view, IntentKind.WAKE, by)

    def record_intent(self, view: EnvironmentView, kind: IntentKind, by: str, until: datetime | None = None) -> None:
        intent = Intent(view.ref, kind, by, self._deps.clock(), until)
        self._deps.intents.add(intent)
        self._deps.refresh()

    def _sleep_or_wake(self, view: EnvironmentView, kind: IntentKind, by: str) -> EnvironmentView:
        if view.phase in (Phase.DESTROYING, Phase.DESTROYED, Phase.EXPIRED):
            raise RequestRefused(
                RefusalReason.BEING_DESTROYED, wording.being_destroyed(view.name, wording.SLEEP_OR_WAKE)
            )
        if not view.commit:
            raise RequestRefused(RefusalReason.NOT_CREATED, wording.not_created(view.name, wording.SLEEP_LATER))
        if not isinstance(self._deps.target(view.target), Sleeps):
            raise RequestRefused(RefusalReason.SLEEP_UNSUPPORTED, wording.sleep_unsupported(view.target))
        self.record_intent(view, kind, by)
        event, message = (
            (EventKind.INTENT_SLEEP, wording.REQUESTED_SLEEP)
            if kind == IntentKind.SLEEP
            else (EventKind.INTENT_WAKE, wording.REQUESTED_WAKE)
        )
        self._deps.journal.record(event, message, str(view.ref), by)
        return view

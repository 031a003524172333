"""The desk behind the API: reads what the last cycle showed, turns wishes into facts, and wakes the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.core.audits import Audit, swept
from orchestrator.core.model import Candidate, Intent
from orchestrator.core.phases import Phase
from orchestrator.core.views import EnvironmentView, called
from orchestrator.forge.port import APPROVED, Cost, Forge, ForgeError, NotThere, Repository, expired_mark
from orchestrator.ledger import kinds
from orchestrator.ledger.port import Event, Ledger
from orchestrator.ledger.store import LedgerUnavailable
from orchestrator.runtime.auditing import Auditor
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.executor import Executor
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.leading import Leading
from orchestrator.runtime.loop import Loop
from orchestrator.runtime.memory import Memory
from orchestrator.runtime.testing import SuiteRunner
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.surfaces.port import ForgeCost, NoSuchEnvironment, Refused, ServiceStatus, Unavailable
from programs import registry
from programs.concealing import Veil
from programs.insides import Inside, Marks, NoSuchLog, Reading, Told
from programs.registry import Shows, Sleeps
from stacks import records
from stacks.model import RefKind
from stacks.places import Places

FOLLOW_PAUSE = 0.5
MOST_LINES = 5000
FIRST_LINES = 200
"""What a follower is told of what was printed before."""


@dataclass(slots=True)
class Behind:
    """Everything the desk reaches into."""

    version: str
    started: datetime
    auditor: Auditor
    tester: SuiteRunner
    loop: Loop
    executor: Executor
    memory: Memory
    journal: Journal
    wakeups: Wakeups
    forge: Forge
    ledger: Ledger
    places: Places
    settings: Callable[[str], dict[str, str]]
    clock: Clock
    leading: Leading | None = None
    """None: one replica alone."""
    veil: Callable[[str], str] = field(default_factory=Veil)
    """Takes secret values out of what previews print."""


class LocalDesk:
    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    # --- reading

    def status(self) -> ServiceStatus:
        shown = self._behind.loop.shown
        notes = list(shown.plan.notes) if shown.plan else ["the first look at the world is under way"]
        notes += shown.forge.trouble
        if shown.foreign:
            notes.append(f"{shown.foreign} stacks in the backend are not ours and are left alone")
        leading = self._behind.leading
        if leading is not None and leading.replicas and not leading.leads():
            notes.insert(0, f"this replica follows; {leading.leader or 'nobody'} leads")
        return ServiceStatus(
            version=self._behind.version,
            started=self._behind.started,
            last_cycle=shown.at,
            cycle_seconds=shown.seconds,
            complete=shown.complete,
            notes=tuple(notes),
            running=len(self._behind.executor.running),
            queued=sum(view.queue_position is not None for view in shown.views),
            forge=_cost(self._behind.forge.cost()),
            leads=leading is None or leading.leads(),
            term=leading.epoch if leading else 1,
            leader=leading.leader if leading else "",
        )

    def environments(self) -> list[EnvironmentView]:
        running = self._behind.executor.running
        return [
            replace(view, progress=running[view.ref].progress) if view.ref in running else view
            for view in self._behind.loop.shown.views
        ]

    def environment(self, name: str) -> EnvironmentView:
        wanted = name.strip().lower()
        for view in self.environments():
            if wanted and wanted in (view.name.lower(), str(view.ref).lower(), view.host.lower(), called(view).lower()):
                return view
        raise NoSuchEnvironment(f"there is no environment {name!r}")

    async def events(self, name: str, after: int, limit: int, newest: bool) -> list[Event]:
        subject = self._subject(name) if name else ""
        try:
            return await asyncio.to_thread(self._behind.ledger.events, subject, after, limit, newest)
        except LedgerUnavailable as error:
            raise Unavailable(str(error)) from error

    def _subject(self, name: str) -> str:
        """A stack that is gone still has its events, by its stack's name."""
        try:
            return str(self.environment(name).ref)
        except NoSuchEnvironment:
            if "/" in name and "#" not in name:
                return name
            raise

    async def logs(self, name: str, asked: Reading) -> list[str]:
        return list((await self._printed(name, asked)).lines)

    async def operation_log(self, name: str, lines: int) -> list[str]:
        view = self.environment(name)
        path = await asyncio.to_thread(records.newest_log, self._behind.places, view.ref)
        found = await asyncio.to_thread(_tail, path, min(lines, MOST_LINES))
        return [self._behind.veil(line) for line in found]

    async def _printed(self, name: str, asked: Reading) -> Told:
        view = self.environment(name)
        target, told = registry.get(view.target), self._behind.settings(view.target)
        try:
            found = await asyncio.to_thread(
                target.logs, view.name, told, replace(asked, lines=min(asked.lines, MOST_LINES))
            )
            return replace(found, lines=tuple(self._behind.veil(line) for line in found.lines))
        except NoSuchLog as error:
            raise Refused(str(error)) from error
        except Exception as error:
            raise Unavailable(_silent(view.target, error)) from error

    async def inside(self, name: str) -> Inside:
        view = self.environment(name)
        target, told = registry.get(view.target), self._behind.settings(view.target)
        if not isinstance(target, Shows):
            return Inside()
        try:
            return await asyncio.to_thread(target.inside, view.name, told)
        except Exception as error:
            raise Unavailable(_silent(view.target, error)) from error

    async def suite_logs(self, name: str, suite: str, lines: int) -> list[str]:
        view = self.environment(name)
        known = [each.name for each in view.tests]
        if suite not in known:
            there = f"there are: {', '.join(known)}" if known else "it has none, or they wait until it is ready"
            raise Refused(f"{view.name} has no suite {suite!r}; {there}")
        return await asyncio.to_thread(self._behind.tester.lines, view.ref, suite, min(lines, MOST_LINES))

    async def follow(self, name: str, service: str | None) -> AsyncIterator[str]:
        """Lines as they come; ends when the environment is gone. A target that does not answer is asked again."""
        since: Marks | None = None
        while True:
            try:
                told = await self._printed(name, Reading(service, MOST_LINES if since else FIRST_LINES, since=since))
            except NoSuchEnvironment:
                return
            except Unavailable:
                if since is None:
                    raise
                told = Told((), since)
            for line in told.lines:
                yield line
            since = told.marks
            await asyncio.sleep(FOLLOW_PAUSE)

    async def follow_operation(self, name: str) -> AsyncIterator[str]:
        seen: list[str] = []
        while True:
            try:
                now = await self.operation_log(name, MOST_LINES)
            except NoSuchEnvironment:
                return
            for line in _fresh(seen, now):
                yield line
            seen = now
            await asyncio.sleep(FOLLOW_PAUSE)

    # --- wishes

    async def up(self, name: str, by: str) -> EnvironmentView:
        view = self.environment(name)
        self._behind.tester.again(view.ref)
        self._intend(view, "retry", by)
        self._behind.journal.tell(kinds.INTENT_RETRY, "asked to try again now", str(view.ref), by)
        return view

    async def down(self, name: str, by: str) -> EnvironmentView:
        """The label goes first: while it is there, the Git host says that the environment should exist."""
        view = self.environment(name)
        await self._take_labels_off(view)
        self._intend(view, "down", by)
        self._behind.journal.tell(kinds.INTENT_DOWN, "asked to take it down", str(view.ref), by)
        return view

    async def _take_labels_off(self, view: EnvironmentView) -> None:
        forge = self._behind.loop.shown.forge
        facts = forge.facts.get(view.key.repository) if view.key else None
        candidate = facts.candidates.get(view.key.number) if facts and view.key else None
        repository = forge.repositories.get(view.key.repository) if view.key else None
        if candidate is None or repository is None:
            return
        if candidate.pull.key.kind is not RefKind.PULL:
            await self._end_ref(view, repository, candidate)
        for label in sorted(candidate.recipe.labels & candidate.pull.labels):
            try:
                await asyncio.to_thread(self._behind.forge.remove_label, repository, candidate.pull.key.number, label)
            except NotThere:
                continue  # somebody was quicker
            except ForgeError as error:
                raise Refused(f"the label {label} could not be taken off: {error}") from error

    async def _end_ref(self, view: EnvironmentView, repository: Repository, candidate: Candidate) -> None:
        """A branch or a tag has no label to take off: its commit is marked as if its time had run out."""
        try:
            mark, text = expired_mark(view.ref.stack), "Taken down by a person."
            await asyncio.to_thread(self._behind.forge.mark, repository, candidate.pull.head_sha, mark, text)
        except ForgeError as error:
            raise Refused(f"{called(view)} could not be marked as taken down: {error}") from error

    async def extend(self, name: str, seconds: int, by: str) -> EnvironmentView:
        view = self.environment(name)
        if view.phase in (Phase.DESTROYING, Phase.DESTROYED):
            raise Refused(f"{view.name} is being destroyed; there is nothing to extend")
        if not view.commit:
            raise Refused(f"{view.name} is not made yet; its time starts with its newest commit")
        now = self._behind.clock()
        # Whole seconds, as the tag keeps them: what it says is then what was asked for.
        until = (max(view.expires_at or now, now) + timedelta(seconds=seconds)).replace(microsecond=0)
        self._intend(view, "extend", by, until)
        self._behind.journal.tell(
            kinds.INTENT_EXTEND, f"asked for time until {until:%Y-%m-%d %H:%M}", str(view.ref), by
        )
        return replace(view, expires_at=until)

    async def keep(self, name: str, keep: bool, by: str) -> EnvironmentView:
        view = self.environment(name)
        if view.phase in (Phase.DESTROYING, Phase.DESTROYED):
            raise Refused(f"{view.name} is being destroyed; there is nothing to keep")
        if not view.commit:
            raise Refused(f"{view.name} is not made yet; keep it once it is there")
        self._intend(view, "keep" if keep else "unkeep", by)
        kind, what = (kinds.INTENT_KEEP, "to keep it") if keep else (kinds.INTENT_UNKEEP, "to let its time count again")
        self._behind.journal.tell(kind, f"asked {what}", str(view.ref), by)
        return replace(view, kept=keep, expires_at=None if keep else view.expires_at)

    async def sleep(self, name: str, by: str) -> EnvironmentView:
        return self._rest(self.environment(name), "sleep", by)

    async def rouse(self, name: str, by: str) -> EnvironmentView:
        return self._rest(self.environment(name), "wake", by)

    def _rest(self, view: EnvironmentView, kind: str, by: str) -> EnvironmentView:
        if view.phase in (Phase.DESTROYING, Phase.DESTROYED, Phase.EXPIRED):
            raise Refused(f"{view.name} is being destroyed; it can neither sleep nor wake")
        if not view.commit:
            raise Refused(f"{view.name} is not made yet; there is nothing that could {kind}")
        if not isinstance(registry.get(view.target), Sleeps):
            raise Refused(f"the target {view.target} cannot put environments to sleep")
        self._intend(view, kind, by)
        told, what = (
            (kinds.INTENT_SLEEP, "to put it to sleep") if kind == "sleep" else (kinds.INTENT_WAKE, "to wake it")
        )
        self._behind.journal.tell(told, f"asked {what}", str(view.ref), by)
        return view

    async def approve_commit(self, name: str, commit: str, by: str, said: datetime | None = None) -> EnvironmentView:
        view = self.environment(name)
        facts = self._behind.loop.shown.forge
        home = facts.facts.get(view.key.repository) if view.key else None
        candidate = home.candidates.get(view.key.number) if home and view.key else None
        repository = facts.repositories.get(view.key.repository) if view.key else None
        if candidate is None or repository is None or not candidate.pull.from_fork:
            raise Refused(f"{name} is no open pull request from a fork, so there is nothing to approve")
        head = candidate.pull.head_sha
        if commit != head:
            raise Refused(f"the newest commit of {name} is {head}, not {commit}; look at it, then approve that one")
        first = self._behind.memory.first_seen.get(candidate.pull.key, ("", None))
        if said is not None and (first[0] != head or first[1] is None or first[1] >= said):
            raise Refused(f"commit {head[:7]} came in the meantime; look at it, then approve again")
        try:
            text = f"Approved by {by}"
            await asyncio.to_thread(self._behind.forge.mark, repository, head, APPROVED, text)
        except ForgeError as error:
            raise Refused(f"the approval could not be written on commit {head[:7]}: {error}") from error
        self._behind.journal.tell(kinds.COMMIT_APPROVED, f"commit {head} of a fork may run", str(view.ref), by)
        self.wake("approved")
        return view

    async def approve(self, plan: str, by: str) -> str:
        shown = self._behind.loop.shown
        held = shown.plan.digest if shown.plan else ""
        if not held or plan != held:
            raise Refused(f"no plan {plan!r} is held" + (f"; the one that is held is {held}" if held else ""))
        self._behind.memory.approved_plans[plan] = self._behind.clock()
        self._behind.journal.tell(kinds.PLAN_APPROVED, f"plan {plan} may go through", actor=by)
        self.wake("approved")
        return f"plan {plan} goes through with the next cycle"

    async def audit(self) -> Audit:
        return await self._behind.auditor.audit()

    async def sweep(self, dry_run: bool, by: str) -> list[str]:
        """What the next plan would remove, and what an audit names; unless it is a dry run, it goes now."""
        plan = self._behind.loop.shown.plan
        lines = [] if plan is None else [line for line in plan.render().splitlines() if _removes(line)]
        if dry_run:
            found = await self._behind.auditor.audit()
            return lines + [f"remove    {each.where}: {each.kind} {each.name}: {each.why}" for each in swept(found)]
        removed = await self._behind.auditor.sweep()
        for sentence in removed:
            self._behind.journal.tell(kinds.SWEEP_REMOVED, sentence, actor=by)
        self._behind.journal.tell(kinds.SWEEP_REMOVED, f"asked to sweep: {len(lines) + len(removed)} found", actor=by)
        self.wake("sweep")
        return lines + removed

    def wake(self, reason: str) -> None:  # noqa: ARG002 - the reason is for the caller's log
        self._behind.wakeups.wake_soon(look=True)

    def _intend(self, view: EnvironmentView, kind: str, by: str, until: datetime | None = None) -> None:
        intent = Intent(view.ref, kind, by, self._behind.clock(), until)
        self._behind.memory.intend(intent)
        self._behind.wakeups.wake_soon(look=True)


def _cost(cost: Cost) -> ForgeCost:
    return ForgeCost(cost.counted, cost.free, cost.remaining, cost.limit, cost.blocked_for)


def _removes(line: str) -> bool:
    return line.startswith(("destroy", "purge", "hold", "confirm"))


def _silent(target: str, error: Exception) -> str:
    return f"the target {target} could not be asked: {error}"


def _tail(path: Path | None, lines: int) -> list[str]:
    if path is None:
        return []
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _fresh(seen: list[str], now: list[str]) -> list[str]:
    """What came after the last look: everything behind the longest end of ``seen`` that ``now`` still shows."""
    for start in range(len(seen) + 1):
        kept = seen[start:]
        if now[: len(kept)] == kept:
            return now[len(kept) :]
    return now

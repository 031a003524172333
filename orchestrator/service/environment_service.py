"""What the API can do: read the result of the last cycle, record requests as facts, and trigger a cycle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime

from orchestrator.core.costs.budgets import BudgetState
from orchestrator.core.costs.cost_reports import CostGrouping, CostReport
from orchestrator.core.model.world import IntentKind, Recipe
from orchestrator.core.orphans.orphan_audit import AuditResult, sweepable
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.versions import Version
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event
from orchestrator.runtime.suites.screenshot_files import ScreenshotContent, SuiteScreenshots
from orchestrator.service import first_cycle, wording
from orchestrator.service.changes.database_resets import DatabaseResetter
from orchestrator.service.changes.git_host import GitHostChanges
from orchestrator.service.changes.lifetime import LifetimeChanges, LifetimeDependencies
from orchestrator.service.changes.problem_reports import ProblemReporter
from orchestrator.service.changes.pull_request_labels import PullRequestDependencies, PullRequestLabels
from orchestrator.service.changes.restarts import ServiceRestarter
from orchestrator.service.changes.server_pause import ServerPause
from orchestrator.service.changes.variables import VariableEditor
from orchestrator.service.control_plane_dependencies import ControlPlaneDependencies
from orchestrator.service.deploys.deploy_port import (
    DeployRequest,
    DeployStatus,
    RequestedPullRequest,
    UploadedCommit,
)
from orchestrator.service.exec.exec_launcher import ExecLauncher
from orchestrator.service.exec.exec_port import ExecEvent
from orchestrator.service.output.history_reader import HistoryReader
from orchestrator.service.output.log_reader import MAX_LINES, LogReader
from orchestrator.service.output.status_reader import StatusReader
from orchestrator.service.output.suite_output import SuiteOutput
from orchestrator.service.port import (
    BuildCache,
    EnvironmentNotFound,
    EnvironmentVariable,
    PauseStatus,
    ProblemReport,
    RefusalReason,
    RequestRefused,
    ServiceStatus,
    StepHistory,
    TargetPrices,
    TemporarilyUnavailable,
    VariableChange,
    every_repository,
)
from programs.exec_requests import ExecRequest, JobRequest, TerminalSize
from programs.registry import Inspectable
from programs.runtime_info import LogRequest, RuntimeInfo
from programs.spec import EnvironmentSpec


class LocalControlPlane:
    def __init__(self, dependencies: ControlPlaneDependencies) -> None:
        self._deps = dependencies
        self._logs = LogReader(
            environment=self.environment,
            is_busy=lambda view: view.ref in dependencies.executor.running,
            operations=dependencies.operations,
            target=dependencies.target,
            target_settings=dependencies.target_settings,
            redact=dependencies.redact,
        )
        self._suites = SuiteOutput(self.environment, dependencies.suite_runner)
        self._exec = ExecLauncher(
            dependencies.exec_sessions,
            dependencies.journal,
            dependencies.target,
            dependencies.target_settings,
            dependencies.redact,
        )
        self._restarter = ServiceRestarter(
            dependencies.journal, dependencies.executor.reserve, dependencies.target, dependencies.target_settings
        )
        self._pause = ServerPause(
            dependencies.pause,
            dependencies.cycles,
            dependencies.executor,
            dependencies.suite_runner,
            dependencies.leadership,
            dependencies.journal,
            dependencies.clock,
            dependencies.wakeups.wake,
        )
        self._status = StatusReader(
            dependencies.version,
            dependencies.started_at,
            dependencies.cycles,
            dependencies.executor,
            dependencies.leadership,
            dependencies.forge.usage,
            self._pause.status,
        )
        self._history = HistoryReader(dependencies.ledger, dependencies.cycles, self.environment)
        self._git_host = GitHostChanges(dependencies.forge, dependencies.cycles, dependencies.target)
        self._lifetime = LifetimeChanges(
            LifetimeDependencies(
                dependencies.intents,
                dependencies.journal,
                dependencies.clock,
                dependencies.suite_runner,
                dependencies.label_deploys,
                self._git_host,
                dependencies.target,
                self._trigger_refresh,
            )
        )
        self.pull_requests = PullRequestLabels(
            PullRequestDependencies(
                dependencies.forge,
                dependencies.cycles,
                dependencies.journal,
                dependencies.trigger_labels,
                self.up,
                self._trigger_refresh,
            )
        )
        self._problems = ProblemReporter(self._git_host, dependencies.journal, dependencies.render_problem)
        self._variables = VariableEditor(
            dependencies.variables,
            dependencies.intents,
            dependencies.journal,
            dependencies.clock,
            self._spec,
            self._trigger_refresh,
        )
        self._databases = DatabaseResetter(
            dependencies.intents,
            dependencies.journal,
            dependencies.clock,
            dependencies.target,
            self._spec,
            self._trigger_refresh,
        )

    # --- reading

    def status(self) -> ServiceStatus:
        return self._status.read()

    def environments(self) -> list[EnvironmentView]:
        running = self._deps.executor.running
        return [
            replace(view, progress=running[view.ref].progress) if view.ref in running else view
            for view in first_cycle.require(self._deps.cycles.latest).views
        ]

    def environment(self, name: str) -> EnvironmentView:
        wanted = name.strip().lower()
        for view in self.environments():
            if wanted and wanted in (
                view.name.lower(),
                str(view.ref).lower(),
                view.host.lower(),
                display_name(view).lower(),
            ):
                return view
        raise EnvironmentNotFound(wording.not_found(name))

    async def events(self, name: str, after: int, limit: int, newest: bool) -> list[Event]:
        return await self._history.events(name, after, limit, newest)

    async def logs(self, name: str, query: LogRequest) -> list[str]:
        return list((await self._logs.services(name, query)).lines)

    async def all_logs(self, name: str, lines: int, after: datetime | None = None) -> list[str]:
        return await self._logs.all(name, lines, after)

    async def steps(self, name: str, commit: str) -> StepHistory:
        return await self._logs.steps(name, commit)

    async def operation_log(self, name: str, lines: int) -> list[str]:
        return await self._logs.operation(name, lines)

    async def versions(self, repository: str) -> list[Version]:
        return await self._history.versions(repository)

    async def runtime_info(self, name: str) -> RuntimeInfo:
        view = self.environment(name)
        target, settings = self._deps.target(view.target), self._deps.target_settings.get(view.target, {})
        if not isinstance(target, Inspectable):
            return RuntimeInfo()
        try:
            return await asyncio.to_thread(target.inspect, view.name, settings)
        except Exception as error:
            raise TemporarilyUnavailable(wording.target_unreachable(view.target, error)) from error

    async def suite_logs(self, name: str, suite: str, lines: int) -> list[str]:
        return await self._suites.log_lines(name, suite, min(lines, MAX_LINES))

    async def screenshots(self, name: str, suite: str) -> SuiteScreenshots:
        return await self._suites.screenshots(name, suite)

    async def screenshot(self, name: str, suite: str, file: str) -> ScreenshotContent | None:
        return await self._suites.screenshot(name, suite, file)

    def follow(self, name: str, service: str | None, after: datetime | None = None) -> AsyncIterator[str]:
        return self._logs.follow(name, service, after)

    def follow_operation(self, name: str) -> AsyncIterator[str]:
        return self._logs.follow_operation(name)

    # --- requests

    async def up(self, name: str, by: str) -> EnvironmentView:
        return self._lifetime.up(self._changeable(name), by)

    async def down(self, name: str, by: str) -> EnvironmentView:
        return await self._lifetime.down(self._changeable(name), by)

    async def extend(self, name: str, seconds: int, by: str) -> EnvironmentView:
        return self._lifetime.extend(self._changeable(name), seconds, by)

    async def keep(self, name: str, keep: bool, by: str) -> EnvironmentView:
        return self._lifetime.keep(self._changeable(name), keep, by)

    async def sleep(self, name: str, by: str) -> EnvironmentView:
        return self._lifetime.sleep(self._changeable(name), by)

    async def wake_up(self, name: str, by: str) -> EnvironmentView:
        return self._lifetime.wake_up(self._changeable(name), by)

    async def restart(self, name: str, service: str, by: str) -> list[str]:
        return await self._restarter.restart(self._changeable(name), service, by)

    def variables(self, name: str) -> list[EnvironmentVariable]:
        return self._variables.current(self.environment(name))

    async def change_variables(self, name: str, change: VariableChange, by: str) -> list[EnvironmentVariable]:
        return self._variables.change(self._changeable(name), change, by)

    def resettable_databases(self, name: str) -> list[str]:
        return self._databases.databases(self.environment(name))

    async def reset_database(self, name: str, database: str, by: str) -> str:
        return self._databases.reset(self._changeable(name), database, by)

    async def report_problem(self, name: str, report: ProblemReport, by: str) -> str:
        return await self._problems.report(self.environment(name), report, by)

    def _trigger_refresh(self) -> None:
        self._deps.wakeups.wake_soon(refresh=True)

    def _spec(self, view: EnvironmentView) -> EnvironmentSpec | None:
        request, _ = self._git_host.find(view)
        return request.recipe.spec if request is not None and isinstance(request.recipe, Recipe) else None

    async def approve_commit(self, name: str, commit: str, by: str) -> EnvironmentView:
        view = self._changeable(name)
        from_fork = await self._git_host.approve(view, commit, by)
        message = wording.commit_approved(commit, from_fork)
        self._deps.journal.record(EventKind.COMMIT_APPROVED, message, str(view.ref), by)
        if not from_fork:
            self._lifetime.record_intent(view, IntentKind.RETRY, by)
        self.trigger_cycle()
        return view

    async def approve_plan(self, plan: str, by: str) -> str:
        self._pause.check()
        shown = self._deps.cycles.latest
        held = shown.plan.digest if shown.plan else ""
        if not held or plan != held:
            raise RequestRefused(RefusalReason.PLAN_NOT_HELD, wording.plan_not_held(plan, held))
        self._deps.approvals.approve_plan(plan, self._deps.clock())
        self._deps.journal.record(EventKind.PLAN_APPROVED, wording.plan_approved(plan), actor=by)
        self.trigger_cycle()
        return wording.plan_runs(plan)

    async def create_for_pull_request(self, repository: str, number: int, by: str) -> RequestedPullRequest:
        self._pause.check()
        return await self.pull_requests.create(repository, number, by)

    async def deploy(self, request: DeployRequest, by: str) -> DeployStatus:
        self._pause.check()
        return await self._deps.label_deploys.deploy(request, by)

    async def upload(self, repository: str, body: AsyncIterator[bytes], by: str) -> UploadedCommit:
        return await self._deps.label_deploys.upload(repository, body, by)

    def deploy_status(self, deploy: str) -> DeployStatus:
        return self._deps.label_deploys.status(deploy)

    def run_command(self, name: str, request: ExecRequest, by: str) -> AsyncGenerator[ExecEvent]:
        return self._exec.run_command(self.environment(name), request, by)

    def run_job(self, name: str, request: JobRequest, by: str) -> AsyncGenerator[ExecEvent]:
        return self._exec.run_job(self.environment(name), request, by)

    async def send_input(self, session: str, data: bytes, end: bool, by: str) -> None:
        await self._deps.exec_sessions.write(session, data, end, by)

    def resize_terminal(self, session: str, size: TerminalSize, by: str) -> None:
        self._deps.exec_sessions.resize(session, size, by)

    async def audit(self) -> AuditResult:
        return await self._deps.auditor.audit()

    async def sweep(self, dry_run: bool, by: str) -> list[str]:
        """Remove what an audit finds, and trigger a cycle for what the next plan removes. A dry run only lists it."""
        plan = self._deps.cycles.latest.plan
        lines = [] if plan is None else [line for line in plan.render().splitlines() if _is_removal(line)]
        if dry_run:
            found = await self._deps.auditor.audit()
            return lines + [
                wording.would_remove(wording.orphan(each.location, each.kind, each.name), each.reason)
                for each in sweepable(found)
            ]
        self._pause.check()
        removed = await self._deps.auditor.sweep()
        for sentence in removed:
            self._deps.journal.record(EventKind.SWEEP_REMOVED, sentence, actor=by)
        total = len(lines) + len(removed)
        self._deps.journal.record(EventKind.SWEEP_REMOVED, wording.requested_sweep(total), actor=by)
        self.trigger_cycle()
        return lines + removed

    async def costs(self, grouping: CostGrouping, covers: Callable[[str], bool] = every_repository) -> CostReport:
        return await self._deps.costs.report(grouping, covers)

    def budgets(self) -> tuple[BudgetState, ...]:
        plan = self._deps.cycles.latest.plan
        return plan.budgets if plan else ()

    def prices(self) -> list[TargetPrices]:
        return self._deps.costs.prices()

    async def refresh_prices(self, by: str) -> list[str]:
        found = await self._deps.costs.refresh_prices(by)
        self._deps.wakeups.wake_soon(refresh=False)
        return found

    async def build_caches(self) -> list[BuildCache]:
        return await self._deps.build_caches.all()

    async def clear_build_caches(self, repository: str, by: str) -> list[BuildCache]:
        return await self._deps.build_caches.clear(repository, by)

    def pause(self, reason: str, by: str) -> PauseStatus:
        return self._pause.pause(reason, by)

    def resume(self, by: str) -> bool:
        return self._pause.resume(by)

    def trigger_cycle(self) -> None:
        self._trigger_refresh()

    def _changeable(self, name: str) -> EnvironmentView:
        """Raises RequestRefused while the server is paused."""
        view = self.environment(name)
        self._pause.check()
        return view


def _is_removal(line: str) -> bool:
    return line.startswith(("destroy", "purge", "hold", "confirm"))

"""The service as a caller sees it whose token is restricted to some repositories.

An environment of another repository doesn't exist for it. What concerns the service as a whole is refused by the
surfaces; here it reveals nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime

from orchestrator.auth.identities import Caller
from orchestrator.core.costs.budgets import BudgetState
from orchestrator.core.costs.cost_reports import CostGrouping, CostReport
from orchestrator.core.orphans.orphan_audit import AuditResult
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.versions import Version
from orchestrator.ledger.port import Event
from orchestrator.runtime.suites.screenshot_files import ScreenshotContent, SuiteScreenshots
from orchestrator.service import wording
from orchestrator.service.deploys import wording as deploy_wording
from orchestrator.service.deploys.deploy_port import (
    DeployRequest,
    DeployStatus,
    RequestedPullRequest,
    UploadedCommit,
)
from orchestrator.service.exec.exec_port import ExecEvent
from orchestrator.service.port import (
    BuildCache,
    DeployNotFound,
    EnvironmentNotFound,
    EnvironmentService,
    EnvironmentVariable,
    PauseStatus,
    ProblemReport,
    RefusalReason,
    RequestRefused,
    ServiceStatus,
    StepHistory,
    TargetPrices,
    VariableChange,
    every_repository,
)
from programs.exec_requests import ExecRequest, JobRequest, TerminalSize
from programs.runtime_info import LogRequest, RuntimeInfo


def for_caller(service: EnvironmentService, caller: Caller) -> EnvironmentService:
    return ScopedService(service, caller) if caller.is_scoped else service


class ScopedService:
    def __init__(self, service: EnvironmentService, caller: Caller) -> None:
        self._service, self._caller = service, caller

    def status(self) -> ServiceStatus:
        """Without notes, which name other repositories, but with a pause, which concerns everyone."""
        status = self._service.status()
        return replace(status, notes=(status.pause.message,) if status.pause else ())

    def environments(self) -> list[EnvironmentView]:
        return [view for view in self._service.environments() if self._caller.covers(view.repository)]

    def environment(self, name: str) -> EnvironmentView:
        view = self._service.environment(name)
        if not self._caller.covers(view.repository):
            raise EnvironmentNotFound(wording.not_found(name))
        return view

    async def logs(self, name: str, query: LogRequest) -> list[str]:
        return await self._service.logs(self._ref(name), query)

    async def all_logs(self, name: str, lines: int, after: datetime | None = None) -> list[str]:
        return await self._service.all_logs(self._ref(name), lines, after)

    async def steps(self, name: str, commit: str) -> StepHistory:
        return await self._service.steps(self._ref(name), commit)

    async def operation_log(self, name: str, lines: int) -> list[str]:
        return await self._service.operation_log(self._ref(name), lines)

    async def runtime_info(self, name: str) -> RuntimeInfo:
        return await self._service.runtime_info(self._ref(name))

    async def suite_logs(self, name: str, suite: str, lines: int) -> list[str]:
        return await self._service.suite_logs(self._ref(name), suite, lines)

    async def screenshots(self, name: str, suite: str) -> SuiteScreenshots:
        return await self._service.screenshots(self._ref(name), suite)

    async def screenshot(self, name: str, suite: str, file: str) -> ScreenshotContent | None:
        return await self._service.screenshot(self._ref(name), suite, file)

    def follow(self, name: str, service: str | None, after: datetime | None = None) -> AsyncIterator[str]:
        return self._service.follow(self._ref(name), service, after)

    def follow_operation(self, name: str) -> AsyncIterator[str]:
        return self._service.follow_operation(self._ref(name))

    async def events(self, name: str, after: int, limit: int, newest: bool) -> list[Event]:
        """Of one environment, or of all that the caller sees. Events of destroyed environments aren't included, because
        their repository is unknown."""
        if name:
            return await self._service.events(self._ref(name), after, limit, newest)
        subjects = {str(view.ref) for view in self.environments()}
        if newest:
            found = await self._service.events("", after, limit, True)
            return [event for event in found if event.subject in subjects]
        return await self._events_of(subjects, after, limit)

    async def up(self, name: str, by: str) -> EnvironmentView:
        return await self._service.up(self._ref(name), by)

    async def down(self, name: str, by: str) -> EnvironmentView:
        return await self._service.down(self._ref(name), by)

    async def extend(self, name: str, seconds: int, by: str) -> EnvironmentView:
        return await self._service.extend(self._ref(name), seconds, by)

    async def keep(self, name: str, keep: bool, by: str) -> EnvironmentView:
        return await self._service.keep(self._ref(name), keep, by)

    async def sleep(self, name: str, by: str) -> EnvironmentView:
        return await self._service.sleep(self._ref(name), by)

    async def wake_up(self, name: str, by: str) -> EnvironmentView:
        return await self._service.wake_up(self._ref(name), by)

    async def restart(self, name: str, service: str, by: str) -> list[str]:
        return await self._service.restart(self._ref(name), service, by)

    def variables(self, name: str) -> list[EnvironmentVariable]:
        return self._service.variables(self._ref(name))

    async def change_variables(self, name: str, change: VariableChange, by: str) -> list[EnvironmentVariable]:
        return await self._service.change_variables(self._ref(name), change, by)

    def resettable_databases(self, name: str) -> list[str]:
        return self._service.resettable_databases(self._ref(name))

    async def reset_database(self, name: str, database: str, by: str) -> str:
        return await self._service.reset_database(self._ref(name), database, by)

    async def report_problem(self, name: str, report: ProblemReport, by: str) -> str:
        return await self._service.report_problem(self._ref(name), report, by)

    async def approve_commit(self, name: str, commit: str, by: str) -> EnvironmentView:
        return await self._service.approve_commit(self._ref(name), commit, by)

    async def create_for_pull_request(self, repository: str, number: int, by: str) -> RequestedPullRequest:
        with self._covered(repository):
            return await self._service.create_for_pull_request(repository, number, by)

    async def deploy(self, request: DeployRequest, by: str) -> DeployStatus:
        """The repository must be named: the only one that the caller sees may not be the only one."""
        with self._covered(request.repository):
            return await self._service.deploy(request, by)

    async def upload(self, repository: str, body: AsyncIterator[bytes], by: str) -> UploadedCommit:
        with self._covered(repository):
            return await self._service.upload(repository, body, by)

    def deploy_status(self, deploy: str) -> DeployStatus:
        found = self._service.deploy_status(deploy)
        if not self._caller.covers(found.repository):
            raise DeployNotFound(deploy_wording.deploy_not_found(deploy))
        return found

    async def versions(self, repository: str) -> list[Version]:
        found = await self._service.versions(repository)
        return [version for version in found if self._caller.covers(version.repository)]

    def run_command(self, name: str, request: ExecRequest, by: str) -> AsyncGenerator[ExecEvent]:
        return self._service.run_command(self._ref(name), request, by)

    def run_job(self, name: str, request: JobRequest, by: str) -> AsyncGenerator[ExecEvent]:
        return self._service.run_job(self._ref(name), request, by)

    async def send_input(self, session: str, data: bytes, end: bool, by: str) -> None:
        await self._service.send_input(session, data, end, by)

    def resize_terminal(self, session: str, size: TerminalSize, by: str) -> None:
        self._service.resize_terminal(session, size, by)

    async def audit(self) -> AuditResult:
        raise PermissionError(wording.restricted("audit"))

    async def sweep(self, dry_run: bool, by: str) -> list[str]:  # noqa: ARG002 - the protocol's
        raise PermissionError(wording.restricted("sweep"))

    async def approve_plan(self, plan: str, by: str) -> str:  # noqa: ARG002 - the protocol's
        raise PermissionError(wording.restricted("approve plans"))

    async def costs(self, grouping: CostGrouping, covers: Callable[[str], bool] = every_repository) -> CostReport:
        """Without the budget of all repositories together."""
        return await self._service.costs(grouping, lambda name: self._caller.covers(name) and covers(name))

    def budgets(self) -> tuple[BudgetState, ...]:
        return tuple(state for state in self._service.budgets() if self._caller.covers(state.repository))

    def prices(self) -> list[TargetPrices]:
        return self._service.prices()

    async def refresh_prices(self, by: str) -> list[str]:  # noqa: ARG002 - the protocol's
        raise PermissionError(wording.restricted("refresh prices"))

    async def build_caches(self) -> list[BuildCache]:
        raise PermissionError(wording.restricted("list caches"))

    async def clear_build_caches(self, repository: str, by: str) -> list[BuildCache]:  # noqa: ARG002 - the protocol's
        raise PermissionError(wording.restricted("clear caches"))

    def pause(self, reason: str, by: str) -> PauseStatus:  # noqa: ARG002 - the protocol's
        raise PermissionError(wording.restricted("pause"))

    def resume(self, by: str) -> bool:  # noqa: ARG002 - the protocol's
        raise PermissionError(wording.restricted("resume"))

    def trigger_cycle(self) -> None:
        self._service.trigger_cycle()

    @contextlib.contextmanager
    def _covered(self, repository: str) -> Iterator[None]:
        """Around a call for that repository: its errors don't name the others."""
        unknown = RequestRefused(RefusalReason.UNKNOWN_REPOSITORY, deploy_wording.unknown_app(repository, []))
        if not repository or not self._caller.covers(repository):
            raise unknown
        try:
            yield
        except RequestRefused as error:
            if error.reason is RefusalReason.UNKNOWN_REPOSITORY:
                raise unknown from error
            raise

    def _ref(self, name: str) -> str:
        """The stack's name, which is unique. Raises EnvironmentNotFound."""
        return str(self.environment(name).ref)

    async def _events_of(self, subjects: set[str], after: int, limit: int) -> list[Event]:
        """Reads on until there are enough: a page without any of ours must not look like the end."""
        kept: list[Event] = []
        while len(kept) < limit:
            found = await self._service.events("", after, limit, False)
            kept += [event for event in found if event.subject in subjects]
            if len(found) < limit:
                break
            after = found[-1].id
        return kept[:limit]

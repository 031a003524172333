"""What each tool does, for one caller. No tool can do anything that the API would refuse that caller."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.auth.identities import Caller, Role
from orchestrator.config.eph_yaml import key_reference, offline_check
from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.core.views.phases import Phase
from orchestrator.service.deploys.deploy_port import DeployRequest
from orchestrator.service.port import EnvironmentNotFound, EnvironmentService, EnvironmentVariable, VariableChange
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.rendering import render
from orchestrator.surfaces.mcp import agent_commands, arguments, results
from orchestrator.surfaces.mcp.confirmations import DestroyConfirmations
from orchestrator.surfaces.mcp.results import Result
from programs.exec_requests import ExecRequest
from programs.runtime_info import LogRequest

POLL_SECONDS = 0.5
MAX_KEYS = 60
_PULL_REQUEST = re.compile(r"[^#]+/[^#]+#[1-9][0-9]*")
_ENDED = frozenset({Phase.FAILED, Phase.STALLED, Phase.REFUSED, Phase.HELD, Phase.EXPIRED, Phase.DESTROYED})


class ToolFailed(Exception):
    """``result`` is what the agent gets; its ``next`` says what to do."""

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(str(result.get("error", "")))


@dataclass(frozen=True, slots=True)
class AgentTools:
    """``service`` is already restricted to what the caller may see. ``pause`` waits between two reads."""

    service: EnvironmentService
    caller: Caller
    confirmations: DestroyConfirmations
    now: Callable[[], datetime]
    pause: Callable[[float], Awaitable[object]]
    exec_role: Role | None = None
    """The role that running commands requires. None: it isn't allowed."""

    async def list_environments(self, request: arguments.ListArguments) -> Result:
        wanted = request.repository.lower()
        views = [view for view in self.service.environments() if wanted in ("", view.repository.lower())]
        shown = [results.summary(view) for view in views[: request.limit]]
        following = wording.mcp.SHOW_ONE if shown else wording.mcp.CREATE_ONE
        return {"environments": shown, "total": len(views), "next": following}

    async def get_environment(self, request: arguments.NameArguments) -> Result:
        return results.details(self.service.environment(request.name))

    async def explain_state(self, request: arguments.NameArguments) -> Result:
        view = self.service.environment(request.name)
        return {**render.why(view).model_dump(mode="json"), "next": results.details(view)["next"]}

    async def create_environment(self, request: arguments.CreateArguments) -> Result:
        self._require_developer()
        if request.pull_request is not None:
            found = await self.service.create_for_pull_request(
                request.repository, request.pull_request, self.caller.name
            )
            return {**results.pull_request(found), "next": wording.mcp.WAIT_FOR_PULL_REQUEST}
        ttl = None if request.ttl_seconds is None else timedelta(seconds=request.ttl_seconds)
        order = DeployRequest(
            request.label,
            request.repository,
            request.ref,
            request.version,
            ttl,
            max_deploys=self.caller.max_deploys,
        )
        status = await self.service.deploy(order, self.caller.name)
        return {**results.deploy(status), "next": wording.mcp.WAIT_FOR_DEPLOY}

    async def wait_until_ready(self, request: arguments.WaitArguments) -> Result:
        woken: EnvironmentView | None = None
        for _ in range(int(request.timeout_seconds / POLL_SECONDS)):
            view = self._view_if_known(request)
            if view is not None and view.phase is Phase.READY:
                return {"ready": True, **results.details(view)}
            if view is not None and (view.phase in _ENDED or (woken is not None and _failed_to_wake(view, woken))):
                raise ToolFailed({"ready": False, "error": _reason(view), **results.details(view)})
            if view is not None and view.phase is Phase.ASLEEP and woken is None:
                self._require_developer()
                await self.service.wake_up(request.name, self.caller.name)
                woken = view
            await self.pause(POLL_SECONDS)
        view = self._deployed_view(request)
        known = results.details(view) if view is not None else {"phase": "pending"}
        return {**known, "ready": False, "next": wording.mcp.NOT_READY}

    def _view_if_known(self, request: arguments.WaitArguments) -> EnvironmentView | None:
        """Also None for a pull request without an environment: its label may not have been read yet."""
        try:
            return self._deployed_view(request)
        except EnvironmentNotFound:
            if not _PULL_REQUEST.fullmatch(request.name):
                raise
            return None

    def _deployed_view(self, request: arguments.WaitArguments) -> EnvironmentView | None:
        """None while the deploy is pending. Without a deploy, or once it has ended, the environment."""
        if request.deploy:
            status = self.service.deploy_status(request.deploy)
            if status.state == "pending":
                return None
            if status.state != "deployed":
                live = wording.mcp.still_live(status.replaces[:7]) if status.replaces else wording.mcp.NOTHING_LEFT
                fix = wording.mcp.PUSH_FIX
                raise ToolFailed({"ready": False, **results.deploy(status), "next": live + fix})
        return self.service.environment(request.name)

    async def get_logs(self, request: arguments.LogArguments) -> Result:
        name, part, lines = request.name, request.part, request.lines
        if request.source == "operation":
            found = await self.service.operation_log(name, lines)
        elif request.source == "suite":
            found = await self.service.suite_logs(name, part, lines)
        elif part:
            found = await self.service.logs(name, LogRequest(part, lines))
        else:
            found = await self.service.all_logs(name, lines)
        return {
            "lines": found[-lines:],
            "next": wording.mcp.MORE_LINES,
        }

    async def run_tests(self, request: arguments.NameArguments) -> Result:
        """Failed and skipped suites run again. Those that passed on this commit keep their result."""
        self._require_developer()
        view = self.service.environment(request.name)
        if not view.tests and view.phase not in (Phase.READY, Phase.ASLEEP):
            raise ToolFailed(
                {"error": wording.mcp.phase(view.name, view.phase.value), "next": results.details(view)["next"]}
            )
        if view.phase is Phase.ASLEEP:
            await self.service.wake_up(request.name, self.caller.name)
        else:
            await self.service.up(request.name, self.caller.name)
        following = wording.mcp.WAIT_FOR_SUITES
        if not view.tests and view.phase is Phase.READY:
            following = wording.mcp.NO_TESTS
        return {"tests": results.tests_of(view), "next": following}

    async def exec(self, request: arguments.ExecArguments) -> Result:
        self._require_exec()
        order = ExecRequest(tuple(request.command), request.service)
        events = self.service.run_command(request.name, order, self.caller.name)
        run = await agent_commands.collect(self.service, events, self.caller.name, request.timeout_seconds)
        following = wording.mcp.COMMAND_SUCCEEDED if run.code == 0 else wording.mcp.COMMAND_FAILED
        if run.code is None:
            following = wording.mcp.command_stopped(request.timeout_seconds)
        return {"exit_code": run.code, **run.output, "output_cut": run.cut, "next": following}

    def _require_exec(self) -> None:
        if self.exec_role is None:
            raise ToolFailed({"error": wording.mcp.EXEC_FORBIDDEN, "next": wording.mcp.USE_LOGS})
        if not self.caller.may(self.exec_role):
            role = self.exec_role.name.lower()
            raise ToolFailed({"error": wording.mcp.exec_requires(role), "next": wording.mcp.USE_LOGS})

    async def extend(self, request: arguments.ExtendArguments) -> Result:
        self._require_developer()
        view = await self.service.extend(request.name, request.seconds, self.caller.name)
        return {**results.summary(view), "next": wording.mcp.UNTIL_EXPIRY}

    async def restart(self, request: arguments.RestartArguments) -> Result:
        self._require_developer()
        services = await self.service.restart(request.name, request.service, self.caller.name)
        return {"restarted": services, "next": wording.mcp.AFTER_RESTART}

    async def list_variables(self, request: arguments.NameArguments) -> Result:
        self._require_developer()
        return {"variables": _shown(self.service.variables(request.name)), "next": wording.mcp.SET_VARIABLES}

    async def set_variables(self, request: arguments.SetVariablesArguments) -> Result:
        self._require_developer()
        values = {name: VariableValue(value, request.secret) for name, value in request.set.items()}
        change = VariableChange(values, tuple(request.unset))
        found = await self.service.change_variables(request.name, change, self.caller.name)
        return {"variables": _shown(found), "next": wording.mcp.AFTER_VARIABLES}

    async def reset_database(self, request: arguments.ResetDatabaseArguments) -> Result:
        self._require_developer()
        view = self.service.environment(request.name)
        action = f"reset-database {request.database}"
        if not request.confirmation:
            return {
                "would_reset": request.database or self.service.resettable_databases(request.name),
                "environment": results.summary(view),
                "confirmation": self.confirmations.issue(self.caller, view, self.now(), action),
                "next": wording.mcp.CONFIRM_RESET,
            }
        if not self.confirmations.is_valid(request.confirmation, self.caller, view, self.now(), action):
            raise ToolFailed({
                "error": wording.mcp.invalid_confirmation(display_name(view)),
                "next": wording.mcp.NEW_CONFIRMATION,
            })  # fmt: skip
        database = await self.service.reset_database(request.name, request.database, self.caller.name)
        return {"resetting": database, "next": wording.mcp.AFTER_RESET}

    async def destroy_environment(self, request: arguments.DestroyArguments) -> Result:
        self._require_developer()
        view = self.service.environment(request.name)
        if not request.confirmation:
            return {
                "would_destroy": results.summary(view),
                "confirmation": self.confirmations.issue(self.caller, view, self.now()),
                "next": wording.mcp.CONFIRM_DESTROY,
            }
        if not self.confirmations.is_valid(request.confirmation, self.caller, view, self.now()):
            raise ToolFailed({
                "error": wording.mcp.invalid_confirmation(display_name(view)),
                "next": wording.mcp.NEW_CONFIRMATION,
            })  # fmt: skip
        view = await self.service.down(request.name, self.caller.name)
        return {"destroying": view.name or str(view.ref), "next": wording.mcp.GONE_WHEN_NOT_FOUND}

    async def validate_eph_yaml(self, request: arguments.ValidateArguments) -> Result:
        found = offline_check.check(request.text.encode("utf-8", "surrogatepass"))
        following = wording.mcp.FIX_AND_PUSH if found.problems else wording.mcp.VALID
        return {
            "valid": not found.problems,
            "problems": list(found.problems),
            "notices": list(found.notices),
            "target": found.target,
            "next": following,
        }

    async def explain_eph_yaml(self, request: arguments.ExplainArguments) -> Result:
        wanted = request.key.strip(". ")
        keys = {
            key: text
            for key, text in key_reference.documented_keys()
            if (key.startswith(wanted) if wanted else "." not in key and "[" not in key)
        }
        if not keys:
            raise ToolFailed({
                "error": wording.mcp.unknown_key(wanted[:60]),
                "next": wording.mcp.TOP_LEVEL_KEYS,
            })  # fmt: skip
        shown = dict(list(keys.items())[:MAX_KEYS])
        return {"keys": shown, "total": len(keys), "next": wording.mcp.LONGER_KEY}

    def _require_developer(self) -> None:
        if not self.caller.may(Role.DEVELOPER):
            role = self.caller.role.name.lower() if self.caller.role else "none"
            raise ToolFailed({
                "error": wording.mcp.role_too_low(self.caller.name, role),
                "next": wording.mcp.ASK_FOR_DEVELOPER,
            })  # fmt: skip


def _shown(variables: Sequence[EnvironmentVariable]) -> list[Result]:
    """Without the values of secrets."""
    return [{"name": each.name, "value": each.value, "secret": each.secret} for each in variables]


def _failed_to_wake(view: EnvironmentView, before: EnvironmentView) -> bool:
    """Nothing tries again until someone asks for it."""
    return view.phase is Phase.ASLEEP and view.failure is not None and view.failure != before.failure


def _reason(view: EnvironmentView) -> str:
    if view.problems:
        return view.problems[0]
    return (
        view.failure.error if view.failure else next(iter(view.reasons), wording.mcp.environment_is(view.phase.value))
    )

"""Environments over HTTP. A name can be ``shop-gentle-stream-42``, ``owner/repo#42`` (send # as %23) or a stack."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime
from sse_starlette import EventSourceResponse

from orchestrator.config.variable_vault import VariableValue
from orchestrator.core.views.phases import Phase
from orchestrator.service.port import EnvironmentService, EnvironmentVariable, VariableChange
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces.api import pagination
from orchestrator.surfaces.api.rendering import render
from orchestrator.surfaces.api.role_dependencies import Developer, Viewer
from orchestrator.surfaces.api.routes import screenshot_routes
from orchestrator.surfaces.api.routes.streams import Streams, log_lines
from orchestrator.surfaces.api.schemas import environment_schemas as schemas
from orchestrator.surfaces.api.schemas import runtime_schemas
from programs.runtime_info import LogRequest

Name = Annotated[str, Path(max_length=300)]
Service = Annotated[str | None, Query(max_length=100)]


def router(environment_service: EnvironmentService, streams: Streams) -> APIRouter:
    routes = APIRouter(prefix="/environments", tags=["environments"])
    _reads(routes, environment_service)
    screenshot_routes.add_routes(routes, environment_service)
    _streams(routes, environment_service, streams)
    _actions(routes, environment_service)
    # The bare name matches any path, so it comes after those with a fixed suffix.
    _one(routes, environment_service)
    return routes


def _reads(routes: APIRouter, environment_service: EnvironmentService) -> None:
    @routes.get("")
    async def list_environments(
        caller: Viewer,
        repository: Annotated[str | None, Query(max_length=200)] = None,
        phase: Annotated[list[Phase] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str | None, Query(max_length=1000)] = None,
    ) -> schemas.EnvironmentPage:
        """All environments, desired or existing, by repository and number."""
        return pagination.page(
            pagination.filtered(for_caller(environment_service, caller).environments(), repository, phase or ()),
            limit,
            cursor,
        )

    @routes.get("/{name:path}/why")
    async def why_environment(name: Name, caller: Viewer) -> schemas.Why:
        """The facts that led to the phase."""
        return render.why(for_caller(environment_service, caller).environment(name))

    @routes.get("/{name:path}/logs")
    async def environment_logs(
        name: Name,
        caller: Viewer,
        service: Service = None,
        lines: Annotated[int, Query(ge=1, le=5000)] = 100,
        operation: bool = False,
        suite: Annotated[str | None, Query(max_length=63)] = None,
        previous: bool = False,
        since: AwareDatetime | None = None,
    ) -> runtime_schemas.Logs:
        """The last lines of everything: the steps of its newest commit, then its services. Or those of one service, of
        Pulumi's log of the last operation, or of a test suite. ``previous``: the output of the services' previous
        processes. ``since``: only what steps and services printed after that time."""
        if suite:
            return runtime_schemas.Logs(
                name=name,
                service=None,
                operation=False,
                suite=suite,
                lines=await for_caller(environment_service, caller).suite_logs(name, suite, lines),
            )
        visible = for_caller(environment_service, caller)
        if operation:
            found = await visible.operation_log(name, lines)
        elif service is None and not previous:
            found = await visible.all_logs(name, lines, since)
        else:
            found = await visible.logs(name, LogRequest(service, lines, previous, after=since))
        return runtime_schemas.Logs(name=name, service=service, operation=operation, previous=previous, lines=found)

    @routes.get("/{name:path}/steps")
    async def environment_steps(
        name: Name, caller: Viewer, commit: Annotated[str, Query(max_length=64, pattern="^[0-9a-f]*$")] = ""
    ) -> runtime_schemas.Steps:
        """The steps of a commit's builds with their durations and output; of the newest commit by default."""
        found = await for_caller(environment_service, caller).steps(name, commit)
        steps = [runtime_schemas.StepItem.model_validate(run) for run in found.steps]
        return runtime_schemas.Steps(name=name, commit=found.commit, commits=list(found.commits), steps=steps)

    @routes.get("/{name:path}/inside")
    async def look_inside(name: Name, caller: Viewer) -> runtime_schemas.RuntimeInfoResponse:
        """Its pods or processes, and their latest events."""
        return runtime_schemas.RuntimeInfoResponse.model_validate(
            await for_caller(environment_service, caller).runtime_info(name)
        )


def _streams(routes: APIRouter, environment_service: EnvironmentService, streams: Streams) -> None:
    @routes.get("/{name:path}/logs/stream", response_class=EventSourceResponse)
    async def follow_logs(
        name: Name,
        caller: Viewer,
        service: Service = None,
        operation: bool = False,
        since: AwareDatetime | None = None,
    ) -> EventSourceResponse:
        """Log lines as server-sent events: ``line`` with {"line"}, then ``end``. Without ``service`` and ``operation``,
        the output of its build comes first, then its services', and that of later builds as they run. ``since``: begin
        with what was printed after that time."""
        for_caller(environment_service, caller).environment(name)
        return streams.respond(
            log_lines(
                for_caller(environment_service, caller).follow_operation(name)
                if operation
                else for_caller(environment_service, caller).follow(name, service, since)
            )
        )


def _actions(routes: APIRouter, environment_service: EnvironmentService) -> None:
    @routes.post("/{name:path}/up", status_code=202)
    async def up(name: Name, caller: Developer) -> schemas.EnvironmentItem:
        """Retry an environment now."""
        return schemas.EnvironmentItem.model_validate(
            await for_caller(environment_service, caller).up(name, caller.name)
        )

    @routes.post("/{name:path}/down", status_code=202)
    async def down(name: Name, caller: Developer) -> schemas.EnvironmentItem:
        """Removes the pull request's label and destroys the environment."""
        return schemas.EnvironmentItem.model_validate(
            await for_caller(environment_service, caller).down(name, caller.name)
        )

    @routes.post("/{name:path}/extend", status_code=202)
    async def extend(name: Name, body: schemas.Extend, caller: Developer) -> schemas.EnvironmentItem:
        """Postpones its expiry."""
        return schemas.EnvironmentItem.model_validate(
            await for_caller(environment_service, caller).extend(name, body.seconds, caller.name)
        )

    @routes.post("/{name:path}/keep", status_code=202)
    async def keep(name: Name, caller: Developer) -> schemas.EnvironmentItem:
        """Turns off its expiry."""
        return schemas.EnvironmentItem.model_validate(
            await for_caller(environment_service, caller).keep(name, True, caller.name)
        )

    @routes.post("/{name:path}/unkeep", status_code=202)
    async def unkeep(name: Name, caller: Developer) -> schemas.EnvironmentItem:
        """Turns its expiry on again."""
        return schemas.EnvironmentItem.model_validate(
            await for_caller(environment_service, caller).keep(name, False, caller.name)
        )

    @routes.post("/{name:path}/sleep", status_code=202)
    async def sleep(name: Name, caller: Developer) -> schemas.EnvironmentItem:
        """Stops its processes and keeps all its data."""
        return schemas.EnvironmentItem.model_validate(
            await for_caller(environment_service, caller).sleep(name, caller.name)
        )

    @routes.post("/{name:path}/wake", status_code=202)
    async def wake(name: Name, caller: Developer) -> schemas.EnvironmentItem:
        """Starts its processes again."""
        return schemas.EnvironmentItem.model_validate(
            await for_caller(environment_service, caller).wake_up(name, caller.name)
        )

    @routes.post("/{name:path}/restart", status_code=202)
    async def restart(name: Name, caller: Developer, body: schemas.Restart | None = None) -> schemas.RestartedServices:
        """Restarts one service, or all services. They may not respond yet when this returns."""
        service = body.service if body else ""
        services = await for_caller(environment_service, caller).restart(name, service, caller.name)
        return schemas.RestartedServices(name=name, services=services)

    @routes.post("/{name:path}/databases/reset", status_code=202)
    async def reset_database(
        name: Name, caller: Developer, body: schemas.DatabaseReset | None = None
    ) -> schemas.ResetDatabase:
        """Deletes all data of a database, then creates, seeds and migrates it again. Everything else stays."""
        database = body.database if body else ""
        found = await for_caller(environment_service, caller).reset_database(name, database, caller.name)
        return schemas.ResetDatabase(name=name, database=found)

    @routes.get("/{name:path}/env")
    async def list_variables(name: Name, caller: Developer) -> schemas.Variables:
        """The variables that people set for it. The values of secrets can't be read."""
        return _variables(name, for_caller(environment_service, caller).variables(name))

    @routes.post("/{name:path}/env", status_code=202)
    async def change_variables(name: Name, body: schemas.VariableChanges, caller: Developer) -> schemas.Variables:
        """Sets and unsets variables. An update of the environment applies them."""
        values = {item.name: VariableValue(item.value, item.secret) for item in body.set}
        change = VariableChange(values, tuple(dict.fromkeys(body.unset)))
        service = for_caller(environment_service, caller)
        return _variables(name, await service.change_variables(name, change, caller.name))

    @routes.post("/{name:path}/approve", status_code=202)
    async def approve(name: Name, body: schemas.Approval, caller: Developer) -> schemas.EnvironmentItem:
        """Allows one exact commit of a fork to run."""
        return schemas.EnvironmentItem.model_validate(
            await for_caller(environment_service, caller).approve_commit(name, body.commit, caller.name)
        )


def _variables(name: str, found: list[EnvironmentVariable]) -> schemas.Variables:
    return schemas.Variables(name=name, variables=[schemas.VariableItem.model_validate(item) for item in found])


def _one(routes: APIRouter, environment_service: EnvironmentService) -> None:
    @routes.get("/{name:path}")
    async def get_environment(name: Name, caller: Viewer) -> schemas.EnvironmentItem:
        """Returns one environment."""
        return schemas.EnvironmentItem.model_validate(for_caller(environment_service, caller).environment(name))

"""Commands and jobs of environments over HTTP: output as server-sent events, input by further requests."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from orchestrator.auth.identities import Caller, Role
from orchestrator.service.exec.exec_port import ExecEnded, ExecEvent, ExecOutput, ExecStarted
from orchestrator.service.port import EnvironmentService
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.role_dependencies import Developer
from orchestrator.surfaces.api.routes.streams import Streams
from orchestrator.surfaces.api.schemas import exec_schemas
from programs.exec_requests import ExecRequest, JobRequest, TerminalRequest, TerminalSize

Name = Annotated[str, Path(max_length=300)]


def router(environment_service: EnvironmentService, streams: Streams, role: Role | None) -> APIRouter:
    """``role``: what running commands requires. None: it isn't allowed."""
    routes = APIRouter(tags=["environments"])

    @routes.post("/environments/{name:path}/exec", response_class=EventSourceResponse)
    async def run_command(name: Name, body: exec_schemas.ExecBody, caller: Developer) -> EventSourceResponse:
        """Runs a command where a service runs, and streams server-sent events: ``started`` with {"session"}, ``output``
        with {"stream", "text"}, ``end`` with {"code"}. It is killed when the connection closes."""
        require_role(caller, role)
        request = ExecRequest(tuple(body.command), body.service, _terminal(body.terminal), body.database)
        return await _respond(streams, for_caller(environment_service, caller).run_command(name, request, caller.name))

    @routes.post("/environments/{name:path}/runs", response_class=EventSourceResponse)
    async def run_job(name: Name, body: exec_schemas.JobBody, caller: Developer) -> EventSourceResponse:
        """Runs a job that the environment contains, such as a DAG, and streams its progress and its result: the events
        of a command. The job doesn't end when the connection closes."""
        request = JobRequest(body.job, json.dumps(body.parameters))
        return await _respond(streams, for_caller(environment_service, caller).run_job(name, request, caller.name))

    @routes.post("/exec/{session}/input", status_code=204)
    async def send_input(
        session: Annotated[str, Path(max_length=100)], body: exec_schemas.ExecInput, caller: Developer
    ) -> None:
        """Sends standard input to a running command of the same caller."""
        require_role(caller, role)
        try:
            data = base64.b64decode(body.data, validate=True)
        except ValueError:  # also for text that isn't ASCII
            raise ApiError(422, wording.api.NOT_BASE64, wording.api.ENCODE_BASE64) from None
        await for_caller(environment_service, caller).send_input(session, data, body.end, caller.name)

    @routes.post("/exec/{session}/size", status_code=204)
    async def resize_terminal(
        session: Annotated[str, Path(max_length=100)], body: exec_schemas.ExecTerminalSize, caller: Developer
    ) -> None:
        """Tells a running command of the same caller the new size of its terminal."""
        require_role(caller, role)
        size = TerminalSize(body.rows, body.columns)
        for_caller(environment_service, caller).resize_terminal(session, size, caller.name)

    return routes


def _terminal(body: exec_schemas.ExecTerminal | None) -> TerminalRequest | None:
    return TerminalRequest(TerminalSize(body.rows, body.columns), body.type) if body else None


def require_role(caller: Caller, role: Role | None) -> None:
    if role is None:
        raise ApiError(403, wording.api.EXEC_FORBIDDEN, wording.api.EXEC_SETTING)
    if not caller.may(role):
        raise ApiError(403, wording.api.exec_requires(role.name.lower()))


async def _respond(streams: Streams, events: AsyncGenerator[ExecEvent]) -> EventSourceResponse:
    first = await anext(events)  # its errors become the response's status
    try:
        return streams.respond(_to_messages(first, events))
    except ApiError:
        await events.aclose()
        raise


async def _to_messages(first: ExecEvent, events: AsyncGenerator[ExecEvent]) -> AsyncIterator[ServerSentEvent]:
    async with contextlib.aclosing(events):
        yield _to_message(first)
        async for event in events:
            yield _to_message(event)


def _to_message(event: ExecEvent) -> ServerSentEvent:
    match event:
        case ExecStarted(session):
            return _message("started", exec_schemas.ExecStartedMessage(session=session))
        case ExecOutput(stream, text):
            return _message("output", exec_schemas.ExecOutputMessage(stream=stream, text=text))
        case ExecEnded(code):
            return _message("end", exec_schemas.ExecEndMessage(code=code))


def _message(kind: str, content: BaseModel) -> ServerSentEvent:
    return ServerSentEvent(content.model_dump_json(), event=kind)

"""Every error in one shape: ``{"error": {"code", "message", "hint"}}``, with the right status.

401 unauthorised · 403 forbidden · 404 not_found · 405 method_not_allowed · 409 refused
413 too_large · 422 invalid · 429 too_many · 500 internal · 503 unavailable
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orchestrator.auth.identities import ANONYMOUS
from orchestrator.auth.token_store import TokensUnavailable
from orchestrator.core.views.environment_views import EnvironmentView, display_name
from orchestrator.service.exec.exec_port import ExecSessionNotFound
from orchestrator.service.port import (
    DeployNotFound,
    EnvironmentNotFound,
    EnvironmentService,
    RequestRefused,
    TemporarilyUnavailable,
)
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.schemas import environment_schemas as schemas

CODES: Mapping[int, str] = {
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "refused",
    413: "too_large",
    422: "invalid",
    429: "too_many",
    500: "internal",
    503: "unavailable",
}


class ApiError(HTTPException):
    """An error with a hint. It is an HTTPException, so that FastAPI lets it through while it reads a body."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(status, message)
        self.hint = hint


def install(app: FastAPI, environment_service: EnvironmentService) -> None:
    async def missing(request: Request, error: Exception) -> JSONResponse:
        name = str(request.path_params.get("name", ""))
        seen = for_caller(environment_service, getattr(request.state, "caller", ANONYMOUS))
        hint = suggest_names(name, seen.environments())
        return error_response(404, str(error) or wording.api.environment_not_found(name), hint)

    app.add_exception_handler(EnvironmentNotFound, missing)
    app.add_exception_handler(DeployNotFound, _unknown_deploy)
    app.add_exception_handler(ExecSessionNotFound, _ended_session)
    app.add_exception_handler(RequestRefused, _refused)
    app.add_exception_handler(TemporarilyUnavailable, _unavailable)
    app.add_exception_handler(TokensUnavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)


def error_response(status: int, message: str, hint: str = "", headers: Mapping[str, str] | None = None) -> JSONResponse:
    detail = schemas.ErrorDetail(code=CODES.get(status, "error"), message=message, hint=hint)
    return JSONResponse(schemas.Error(error=detail).model_dump(), status, headers=dict(headers or {}))


def suggest_names(name: str, environments: list[EnvironmentView]) -> str:
    """The names most similar to ``name``, as a question, or else where to look."""
    known = {view.name for view in environments if view.name}
    known |= {display_name(view) for view in environments if view.key}
    starts = sorted(item for item in known if name and item.startswith(name))
    close = starts or difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    if close:
        return wording.api.did_you_mean(", ".join(close[:3]))
    return wording.api.LIST_ENVIRONMENTS if known else wording.api.NO_ENVIRONMENTS


async def _unknown_deploy(_: Request, error: Exception) -> JSONResponse:
    return error_response(404, str(error), wording.api.SEE_WHAT_EXISTS)


async def _ended_session(_: Request, error: Exception) -> JSONResponse:
    return error_response(404, str(error), wording.api.START_COMMAND_AGAIN)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return error_response(409, str(error))


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    return error_response(503, str(error), wording.api.TRY_LATER)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    errors = cast(RequestValidationError, error).errors()
    parts = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in errors[:10]]
    return error_response(422, "; ".join(parts), wording.api.SEE_SCHEMA)


async def _http(_: Request, raised: Exception) -> JSONResponse:
    error = cast(HTTPException, raised)
    hint = getattr(error, "hint", "")
    if not hint and error.status_code in (404, 405):
        hint = wording.api.SEE_PATHS
    # FastAPI uses 400 for a body that can't be parsed; to a caller it is the same kind of error as the others.
    status = 422 if error.status_code == 400 else error.status_code
    return error_response(status, str(error.detail), hint, error.headers)


async def _internal(_: Request, __: Exception) -> JSONResponse:
    # The error may contain a secret: it goes to the server's log, not to the caller.
    return error_response(500, "Internal error", wording.api.SEE_LOG)

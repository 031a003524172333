"""``/_sandbox``: the world's verbs, faults, quota and counters, for tests and the demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from orchestrator.demo.github import wording
from orchestrator.demo.github.api.http import RequestHandler
from orchestrator.demo.github.quota import Clock, Fault
from orchestrator.demo.github.scripting import VERBS
from orchestrator.demo.github.state import pull_requests
from orchestrator.demo.github.state.document_store import Document
from orchestrator.demo.github.state.git_repositories import GitError
from orchestrator.demo.github.state.hub import GitHubApiError, Hub
from orchestrator.demo.github.webhook_sender import WebhookSender

OWNER = "ada"


def routes(handler: RequestHandler, sender: WebhookSender, clock: Clock) -> list[Route]:
    desk = ControlEndpoints(handler, sender, clock)
    return [
        Route("/_sandbox/do/{verb}", desk.run_verb, methods=["POST"]),
        Route("/_sandbox/faults", desk.inject_faults, methods=["POST"]),
        Route("/_sandbox/quota", desk.set_quota, methods=["POST"]),
        Route("/_sandbox/clock", desk.set_clock, methods=["POST"]),
        Route("/_sandbox/stats", desk.stats),
        Route("/_sandbox/pushed/{repository:int}", desk.pushed, methods=["POST"]),
    ]


class ControlEndpoints:
    def __init__(self, handler: RequestHandler, sender: WebhookSender, clock: Clock) -> None:
        self._handler, self._sender, self._clock = handler, sender, clock

    async def run_verb(self, request: Request) -> JSONResponse:
        said = await _owner_body(request, self._handler)
        verb = VERBS.get(request.path_params["verb"])
        if said is None or verb is None:
            return JSONResponse({"message": wording.FORBIDDEN if said is None else wording.UNKNOWN_VERB}, 403)
        return JSONResponse(*await run_in_threadpool(self._run_verb, verb, said))

    async def inject_faults(self, request: Request) -> JSONResponse:
        said = await _owner_body(request, self._handler)
        if said is None:
            return JSONResponse({"message": wording.FORBIDDEN}, 403)
        count = int(said.pop("count", 1))
        self._handler.faults.inject(Fault(**said), count) if count else self._handler.faults.clear()
        return JSONResponse({})

    async def set_quota(self, request: Request) -> JSONResponse:
        said = await _owner_body(request, self._handler)
        if said is None:
            return JSONResponse({"message": wording.FORBIDDEN}, 403)
        self._handler.quota.limit = int(said["limit"])
        return JSONResponse({})

    async def set_clock(self, request: Request) -> JSONResponse:
        said = await _owner_body(request, self._handler)
        if said is None:
            return JSONResponse({"message": wording.FORBIDDEN}, 403)
        self._clock.offset = float(said["ahead"])
        return JSONResponse({})

    async def stats(self, _: Request) -> JSONResponse:
        return JSONResponse({**self._handler.quota.stats(), "deliveries": list(self._sender.deliveries)})

    async def pushed(self, request: Request) -> JSONResponse:
        """Said by git's hook. Needs no token: it only makes us look at what git holds anyway."""
        return JSONResponse(
            *await run_in_threadpool(self._run_verb, _refresh, {"id": request.path_params["repository"]})
        )

    def _run_verb(self, verb: Callable[[Hub, Document], Any], arguments: Document) -> tuple[Any, int]:
        hub = self._handler.hub
        try:
            with hub.lock, hub.store.transaction():
                return verb(hub, arguments), 200
        except GitHubApiError as refusal:
            return {"message": refusal.message, "errors": refusal.errors}, refusal.status
        except (GitError, KeyError) as problem:
            return {"message": f"{type(problem).__name__}: {problem}"}, 422


def _refresh(hub: Hub, arguments: Document) -> Document:
    pull_requests.refresh(hub, hub.repository_by_id(arguments["id"]))
    return {}


async def _owner_body(request: Request, handler: RequestHandler) -> dict[str, Any] | None:
    """What was sent, if the owner sent it."""
    token = request.headers.get("authorization", "").partition(" ")[2]
    if handler.hub.login_for_token(token) != OWNER:
        return None
    said = json.loads(await request.body() or b"{}")
    return said if isinstance(said, dict) else None

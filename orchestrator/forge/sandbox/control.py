"""``/_sandbox``: the world's verbs, faults, quota and counters, for tests and the demo."""

from __future__ import annotations

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from orchestrator.forge.sandbox import pulls
from orchestrator.forge.sandbox.api.way import Way
from orchestrator.forge.sandbox.gits import GitRefused
from orchestrator.forge.sandbox.hub import Refusal
from orchestrator.forge.sandbox.quota import Fault
from orchestrator.forge.sandbox.verbs import VERBS
from orchestrator.forge.sandbox.webhooks import Sender

OWNER = "ada"


def routes(way: Way, sender: Sender) -> list[Route]:
    async def do(request: Request) -> JSONResponse:
        said = await _owners(request, way)
        verb = VERBS.get(request.path_params["verb"])
        if said is None or verb is None:
            return JSONResponse({"message": "not for you" if said is None else "no such verb"}, 403)

        def act() -> tuple[Any, int]:
            try:
                with way.hub.lock, way.hub.store.transaction():
                    return verb(way.hub, said), 200
            except Refusal as refusal:
                return {"message": refusal.message, "errors": refusal.errors}, refusal.status
            except (GitRefused, KeyError) as problem:
                return {"message": f"{type(problem).__name__}: {problem}"}, 422

        return JSONResponse(*await run_in_threadpool(act))

    async def faults(request: Request) -> JSONResponse:
        said = await _owners(request, way)
        if said is None:
            return JSONResponse({"message": "not for you"}, 403)
        count = int(said.pop("count", 1))
        way.faults.order(Fault(**said), count) if count else way.faults.clear()
        return JSONResponse({})

    async def quota(request: Request) -> JSONResponse:
        said = await _owners(request, way)
        if said is None:
            return JSONResponse({"message": "not for you"}, 403)
        way.quota.limit = int(said["limit"])
        return JSONResponse({})

    async def stats(_: Request) -> JSONResponse:
        return JSONResponse({**way.quota.stats(), "deliveries": list(sender.deliveries)})

    async def pushed(request: Request) -> JSONResponse:
        def look() -> None:
            with way.hub.lock, way.hub.store.transaction():
                pulls.refresh(way.hub, way.hub.repository_by_id(request.path_params["repository"]))

        try:
            await run_in_threadpool(look)
        except Refusal as refusal:
            return JSONResponse({"message": refusal.message}, refusal.status)
        return JSONResponse({})

    return [
        Route("/_sandbox/do/{verb}", do, methods=["POST"]),
        Route("/_sandbox/faults", faults, methods=["POST"]),
        Route("/_sandbox/quota", quota, methods=["POST"]),
        Route("/_sandbox/stats", stats),
        Route("/_sandbox/pushed/{repository:int}", pushed, methods=["POST"]),
    ]


async def _owners(request: Request, way: Way) -> dict[str, Any] | None:
    """What was sent, if the owner sent it."""
    token = request.headers.get("authorization", "").partition(" ")[2]
    if way.hub.login_of(token) != OWNER:
        return None
    said = json.loads(await request.body() or b"{}")
    return said if isinstance(said, dict) else None

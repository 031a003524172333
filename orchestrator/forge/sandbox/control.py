"""``/_sandbox``: the world's verbs, faults, quota and counters, for tests and the demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from orchestrator.forge.sandbox import pulls
from orchestrator.forge.sandbox.api.way import Way
from orchestrator.forge.sandbox.gits import GitRefused
from orchestrator.forge.sandbox.hub import Hub, Refusal
from orchestrator.forge.sandbox.quota import Clock, Fault
from orchestrator.forge.sandbox.store import Doc
from orchestrator.forge.sandbox.verbs import VERBS
from orchestrator.forge.sandbox.webhooks import Sender

OWNER = "ada"


def routes(way: Way, sender: Sender, clock: Clock) -> list[Route]:
    desk = Desk(way, sender, clock)
    return [
        Route("/_sandbox/do/{verb}", desk.do, methods=["POST"]),
        Route("/_sandbox/faults", desk.order_faults, methods=["POST"]),
        Route("/_sandbox/quota", desk.set_quota, methods=["POST"]),
        Route("/_sandbox/clock", desk.set_clock, methods=["POST"]),
        Route("/_sandbox/stats", desk.stats),
        Route("/_sandbox/pushed/{repository:int}", desk.pushed, methods=["POST"]),
    ]


class Desk:
    def __init__(self, way: Way, sender: Sender, clock: Clock) -> None:
        self._way, self._sender, self._clock = way, sender, clock

    async def do(self, request: Request) -> JSONResponse:
        said = await _owners(request, self._way)
        verb = VERBS.get(request.path_params["verb"])
        if said is None or verb is None:
            return JSONResponse({"message": "not for you" if said is None else "no such verb"}, 403)
        return JSONResponse(*await run_in_threadpool(self._act, verb, said))

    async def order_faults(self, request: Request) -> JSONResponse:
        said = await _owners(request, self._way)
        if said is None:
            return JSONResponse({"message": "not for you"}, 403)
        count = int(said.pop("count", 1))
        self._way.faults.order(Fault(**said), count) if count else self._way.faults.clear()
        return JSONResponse({})

    async def set_quota(self, request: Request) -> JSONResponse:
        said = await _owners(request, self._way)
        if said is None:
            return JSONResponse({"message": "not for you"}, 403)
        self._way.quota.limit = int(said["limit"])
        return JSONResponse({})

    async def set_clock(self, request: Request) -> JSONResponse:
        said = await _owners(request, self._way)
        if said is None:
            return JSONResponse({"message": "not for you"}, 403)
        self._clock.ahead = float(said["ahead"])
        return JSONResponse({})

    async def stats(self, _: Request) -> JSONResponse:
        return JSONResponse({**self._way.quota.stats(), "deliveries": list(self._sender.deliveries)})

    async def pushed(self, request: Request) -> JSONResponse:
        """Said by git's hook. Needs no token: it only makes us look at what git holds anyway."""
        return JSONResponse(*await run_in_threadpool(self._act, _look, {"id": request.path_params["repository"]}))

    def _act(self, verb: Callable[[Hub, Doc], Any], said: Doc) -> tuple[Any, int]:
        hub = self._way.hub
        try:
            with hub.lock, hub.store.transaction():
                return verb(hub, said), 200
        except Refusal as refusal:
            return {"message": refusal.message, "errors": refusal.errors}, refusal.status
        except (GitRefused, KeyError) as problem:
            return {"message": f"{type(problem).__name__}: {problem}"}, 422


def _look(hub: Hub, said: Doc) -> Doc:
    pulls.refresh(hub, hub.repository_by_id(said["id"]))
    return {}


async def _owners(request: Request, way: Way) -> dict[str, Any] | None:
    """What was sent, if the owner sent it."""
    token = request.headers.get("authorization", "").partition(" ")[2]
    if way.hub.login_of(token) != OWNER:
        return None
    said = json.loads(await request.body() or b"{}")
    return said if isinstance(said, dict) else None

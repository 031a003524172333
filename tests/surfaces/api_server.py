"""A real uvicorn on a free loopback port, in a thread, ready when the block begins and stopped when it ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from orchestrator.auth.identities import Role
from orchestrator.auth.tokens import Token
from orchestrator.service.fake import START, FakeEnvironmentService
from orchestrator.service.port import EnvironmentService
from orchestrator.surfaces.api.api_settings import ApiSettings

TOKENS = {role.name.lower(): f"{role.name.lower()}-" + "x" * 32 for role in Role}
NAME = "shop-gentle-stream-42"
"""Of an environment that ``desk`` has."""


def api_settings(**more: Any) -> ApiSettings:
    tokens = tuple(Token.from_secret(TOKENS[role.name.lower()], f"{role.name.lower()}-name", role) for role in Role)
    return replace(ApiSettings("1.2.3", tokens=tokens, clock=lambda: START, stream_poll=0.01), **more)


class SwappableDesk:
    """A service that each test replaces by another one, behind one server."""

    current: FakeEnvironmentService

    def __getattr__(self, name: str) -> object:
        return getattr(self.current, name)

    def as_desk(self) -> EnvironmentService:
        return cast("EnvironmentService", self)  # by __getattr__


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@contextmanager
def serve(app: FastAPI, port: int = 0) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert server.up.wait(60), "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()

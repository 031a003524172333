"""The API at ``listen``: with TLS if the address is open and there is a certificate."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime.server.addresses import open_listener
from orchestrator.surfaces.api.serving.server import serve
from orchestrator.surfaces.api.serving.tls_server import load_certificate, serve_tls
from orchestrator.surfaces.leader_proxy import App

_ANY_LOCAL_PORT = "127.0.0.1:0"


@dataclass(frozen=True, slots=True)
class ServedApi:
    """``local_url``: where programs of this machine reach it, without TLS."""

    tasks: tuple[asyncio.Task[None], ...]
    local_url: str


@contextlib.asynccontextmanager
async def served_api(
    app: App, listener: socket.socket, settings: ServerSettings, tell_gateway: Callable[[str], None]
) -> AsyncIterator[ServedApi]:
    """With TLS, it also listens at a free loopback port: the gateway and this machine's ``eph`` know no host name for
    which the certificate could be verified. With replicas, the gateway needs the leader's address instead."""
    proxies, tls = settings.previews.proxies, settings.tls
    if not settings.api_has_tls or tls.certificate_file is None or tls.key_file is None:
        async with serve(app, listener, proxies) as task:
            yield ServedApi((task,), settings.local_api_url)
        return
    certificate = load_certificate(tls.certificate_file, tls.key_file)
    with contextlib.closing(open_listener("listen", _ANY_LOCAL_PORT)) as local:
        local_url = f"http://127.0.0.1:{local.getsockname()[1]}"
        if settings.replicas.lease == "none":
            tell_gateway(local_url)
        async with serve(app, local) as task, serve_tls(app, listener, certificate, proxies) as more:
            yield ServedApi((task, *more), local_url)

"""TLS between replicas: the certificate that this one serves, and the authority that it expects of others (S1)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from orchestrator.config.settings.replica_tables import ReplicasSettings
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime import wording
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.server.addresses import StartupError, open_listener
from orchestrator.surfaces.api.serving.tls_server import load_certificate, serve_tls
from orchestrator.surfaces.leader_proxy import App, LeaderProxy


@contextlib.asynccontextmanager
async def served_to_replicas(app: App, settings: ServerSettings) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The tasks of serving the API with TLS, with the newest certificate; none without ``replicas.listen``."""
    replicas = settings.replicas
    if replicas.certificate_file is None or replicas.key_file is None:
        yield []
        return
    certificate = load_certificate(replicas.certificate_file, replicas.key_file)
    with contextlib.closing(open_listener("replicas.listen", replicas.listen)) as listener:
        async with serve_tls(app, listener, certificate, settings.previews.proxies) as tasks:
            yield tasks


def client_context(settings: ReplicasSettings) -> ssl.SSLContext:
    """Verifies other replicas' certificates and host names."""
    if settings.ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise StartupError(wording.startup.replica_authority_unusable(settings.ca_file, error)) from error


def open_leader_proxy(app: App, leadership: Leadership, settings: ReplicasSettings) -> LeaderProxy:
    """Forwards to leaders that the settings accept, and verifies them."""
    return LeaderProxy(app, leadership, accepts=settings.accepts_url, tls=client_context(settings))

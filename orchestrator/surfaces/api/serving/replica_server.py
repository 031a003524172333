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
from orchestrator.runtime.server.tls_certificate import BadCertificate, TlsCertificate
from orchestrator.surfaces.api.serving.server import serve
from orchestrator.surfaces.leader_proxy import App, LeaderProxy


@contextlib.asynccontextmanager
async def served_to_replicas(app: App, settings: ServerSettings) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The tasks of serving the API with TLS, with the newest certificate; none without ``replicas.listen``."""
    replicas = settings.replicas
    if replicas.certificate_file is None or replicas.key_file is None:
        yield []
        return
    try:
        certificate = TlsCertificate(replicas.certificate_file, replicas.key_file)
    except BadCertificate as error:
        raise StartupError(str(error)) from error
    with contextlib.closing(open_listener("replicas.listen", replicas.listen)) as listener:
        renewing = asyncio.create_task(certificate.keep_current(), name="replica-certificate")
        try:
            async with serve(app, listener, settings.previews.proxies, certificate.context) as task:
                yield [task, renewing]
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)


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

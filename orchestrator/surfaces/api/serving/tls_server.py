"""The API's web server with a certificate whose renewed files are used without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from orchestrator.runtime.server.addresses import StartupError
from orchestrator.runtime.server.tls_certificate import BadCertificate, TlsCertificate
from orchestrator.surfaces.api.serving.server import serve
from orchestrator.surfaces.leader_proxy import App


@contextlib.asynccontextmanager
async def serve_tls(
    app: App, listener: socket.socket, certificate: TlsCertificate, proxies: Sequence[str]
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The tasks of serving within the block."""
    renewing = asyncio.create_task(certificate.keep_current(), name="certificate")
    try:
        async with serve(app, listener, proxies, certificate.context) as task:
            yield [task, renewing]
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


def load_certificate(certificate_file: Path, key_file: Path) -> TlsCertificate:
    """Raises StartupError."""
    try:
        return TlsCertificate(certificate_file, key_file)
    except BadCertificate as error:
        raise StartupError(str(error)) from error

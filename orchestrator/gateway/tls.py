"""The gateway's TLS: where it listens, and the header that keeps browsers on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a gateway without TLS starts sooner without it
    from orchestrator.runtime.server.tls_certificate import TlsCertificate

HSTS_HEADER = "Strict-Transport-Security"
HSTS = "max-age=31536000"
"""For the host of the response only: host names below it may be served by something else."""


@dataclass(frozen=True, slots=True)
class TlsListener:
    """Where the gateway also listens, with TLS."""

    host: str
    port: int
    certificate: TlsCertificate

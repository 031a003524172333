"""The labels by which everything of an environment is found on the engine, and the names that Eph chooses there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from programs.targets.compose.settings import ComposeHost

SERVER = "eph.server"
ENVIRONMENT = "eph.environment"
SERVICE = "com.docker.compose.service"
"""Docker Compose sets it on the containers of a project."""


def labels(host: ComposeHost, environment: str) -> dict[str, str]:
    return {SERVER: host.server, ENVIRONMENT: environment}


def environment_of(found: Mapping[str, str] | None) -> str:
    return (found or {}).get(ENVIRONMENT, "")


def image_name(environment: str, service: str, generation: str) -> str:
    """The image that Eph builds for a service."""
    return f"eph/{environment}/{hashlib.sha256(service.encode()).hexdigest()[:8]}:{generation}"


def volume_prefix(environment: str, kind: str) -> str:
    """``kind``: named (by the repository), image (declared by an image) or files (of the repository)."""
    return f"{environment}_{kind}-"


def volume_name(environment: str, kind: str, text: str) -> str:
    return volume_prefix(environment, kind) + hashlib.sha256(text.encode()).hexdigest()[:12]

"""Engines by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from programs.targets.pipeline.data.port import DataEngine
from programs.targets.pipeline.data.postgresql import PostgresEngine
from programs.targets.pipeline.settings import POSTGRESQL, PipelineHost

ENGINES: Mapping[str, Callable[[PipelineHost], DataEngine]] = {POSTGRESQL: PostgresEngine}


def find(host: PipelineHost) -> DataEngine | None:
    """None if this server has no shared data."""
    return ENGINES[host.engine](host) if host.has_data else None

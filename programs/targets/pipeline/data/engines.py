"""Engines by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from programs.kit.errors import TargetError
from programs.targets.pipeline import wording
from programs.targets.pipeline.data.port import DataEngine
from programs.targets.pipeline.data.postgresql import PostgresEngine
from programs.targets.pipeline.settings import DUCKDB, POSTGRESQL, PipelineHost


def find(host: PipelineHost) -> DataEngine | None:
    """None if this server has no shared data."""
    return ENGINES[host.engine](host) if host.has_data else None


def _duckdb(host: PipelineHost) -> DataEngine:
    """The package is needed only here."""
    try:
        from programs.targets.pipeline.data.duckdb_engine import DuckdbEngine
    except ModuleNotFoundError:
        raise TargetError(wording.NO_DUCKDB) from None
    return DuckdbEngine(host)


ENGINES: Mapping[str, Callable[[PipelineHost], DataEngine]] = {POSTGRESQL: PostgresEngine, DUCKDB: _duckdb}

"""The engines by the names that eph.yaml gives them."""

from __future__ import annotations

from collections.abc import Mapping

from programs.kit.errors import TargetError
from programs.kit.server_engines import mariadb, redis
from programs.kit.server_engines.port import ServerEngine

ENGINES: Mapping[str, ServerEngine] = {engine.name: engine for engine in (redis.ENGINE, mariadb.ENGINE)}


def missing() -> dict[str, str]:
    """Engines that this machine doesn't have, each with the package that contains it."""
    return {name: engine.package for name, engine in ENGINES.items() if engine.find_program() is None}


def get(name: str) -> ServerEngine:
    try:
        return ENGINES[name]
    except KeyError:
        raise TargetError(f"Unknown database engine {name!r}. Engines: {', '.join(sorted(ENGINES))}.") from None

"""The engines of databases by the names that eph.yaml gives them, and the mail catcher."""

from __future__ import annotations

from collections.abc import Mapping

from programs.kit.errors import TargetError
from programs.kit.server_engines import mail, mariadb, redis, wording
from programs.kit.server_engines.port import ServerEngine

ENGINES: Mapping[str, ServerEngine] = {engine.name: engine for engine in (redis.ENGINE, mariadb.ENGINE)}

MAIL = mail.ENGINE
_SERVERS: Mapping[str, ServerEngine] = {**ENGINES, MAIL.name: MAIL}
KINDS: Mapping[str, str] = {**dict.fromkeys(ENGINES, "DatabaseServer"), MAIL.name: "MailCatcher"}
"""The kinds of the resources in Pulumi's state, by engine."""


def missing() -> dict[str, str]:
    """Engines that this machine doesn't have, each with the package that contains it."""
    return {name: engine.package for name, engine in ENGINES.items() if engine.find_program() is None}


def get(name: str) -> ServerEngine:
    try:
        return _SERVERS[name]
    except KeyError:
        raise TargetError(wording.unknown_engine(name, ", ".join(sorted(ENGINES)))) from None

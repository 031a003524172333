"""What the session guard did to an environment's databases, and how a suspension ends.

A suspended role accepts no connections. An update, a restart or a wake of the environment ends that, because any of
them can be the fix.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg

from programs.kit.database import environment_databases, postgres, session_notices
from programs.kit.database.session_notices import SessionNotice
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings


def suspend(session: psycopg.Connection[Any], name: str) -> None:
    postgres.execute(session, "ALTER ROLE {} CONNECTION LIMIT 0", name)


def list_notices(settings: HostSettings, environment: str) -> list[SessionNotice]:
    """None while PostgreSQL doesn't respond: they only explain something else."""
    with contextlib.suppress(TargetError):
        return list(_notices(settings, environment))
    return []


def list_sentences(settings: HostSettings, environment: str, since: float) -> list[str]:
    return [notice.sentence for notice in list_notices(settings, environment) if notice.at >= since]


def lift(settings: HostSettings, environment: str) -> None:
    """Ends the suspension of its databases."""
    for notice in _notices(settings, environment):
        if notice.suspended:
            environment_databases.allow_connections(settings, notice.database)
        session_notices.remove(settings, notice.database)


def _notices(settings: HostSettings, environment: str) -> Iterator[SessionNotice]:
    found = list(session_notices.list_all(settings))
    if found:
        owners = {item.name: item.environment for item in environment_databases.list_owned(settings)}
        yield from (notice for notice in found if owners.get(notice.database) == environment)

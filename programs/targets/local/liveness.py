"""Which parts of all environments exist and are alive, by the IDs in Pulumi's state.

Parts in the state that are missing here were lost. A service counts as live while supervisord runs it. A service that
just ended gets a grace period, because supervisord restarts it at once. One in a crash loop waits longer each time, and
then it no longer counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from programs.inventory import PROCESS_KINDS, UNUSED_DATABASES
from programs.kit import identifiers, routes
from programs.kit.database import environment_databases
from programs.kit.processes import supervisor
from programs.kit.processes.supervisor import ProgramState
from programs.kit.server_engines import engines
from programs.targets.local import database_use
from programs.targets.local.settings import LocalSettings

LIVE_STATES = frozenset({"RUNNING", "STARTING", "STOPPING"})
RESTART_GRACE = 5
"""In seconds. supervisord waits one second longer before each start, so this is a crash loop of five restarts."""


def live_resources(settings: LocalSettings) -> Mapping[str, frozenset[str]]:
    """Raises if any part can't be checked."""
    owned = [item for item in environment_databases.list_owned(settings) if item.kind == "DATABASE"]
    found: dict[str, Iterable[str]] = {
        "Database": (f"{item.environment}/{item.name}" for item in owned),
        "Route": (f"{route.environment}/{route.host}" for route in routes.list_routes(settings.routes)),
        **_programs(settings),
        "Checkout": (
            f"{path.parents[1].name}/{path.name}" for path in settings.envs.glob("*/src/*") if path.name[0] != "."
        ),
    }
    unused = database_use.list_unused(settings, time.time())
    return {
        **{kind: frozenset(ids) for kind, ids in found.items()},
        PROCESS_KINDS: frozenset({"Service", *engines.KINDS.values()}),
        UNUSED_DATABASES: frozenset(f"{name}/{item.title}/{item.variable}" for name, item in unused),
    }


def _programs(settings: LocalSettings) -> dict[str, list[str]]:
    now = time.time()
    found: dict[str, list[str]] = {"Service": [], **{kind: [] for kind in engines.KINDS.values()}}
    for name, state in supervisor.states(settings).items():
        program = identifiers.parse_program(name)
        if program and is_live(state, now):
            kind = engines.KINDS.get(program.generation, "Service")
            found[kind].append(f"{program.environment}/{program.service}/{program.generation}")
    return found


def is_live(program: ProgramState, now: float) -> bool:
    return program.state in LIVE_STATES or now - program.stopped_at <= RESTART_GRACE

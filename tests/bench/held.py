"""What the target `local` holds of many environments, as a look finds it, without building any of them.

Checkouts are empty folders, services are processes that sleep, and a database is its role and its line in the server's
catalogue: the seven megabytes of files behind each have no part in a look.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from programs.kit import files, routes
from programs.kit.database import environment_databases, postgres
from programs.kit.database.environment_databases import OwnedObject
from programs.kit.identifiers import ProgramName
from programs.kit.processes import program_files
from programs.kit.routes import RouteRecord
from programs.targets.local import liveness
from programs.targets.local import settings as local_settings
from programs.targets.local.settings import LocalSettings
from programs.targets.local.target import TARGET
from stacks.backends.inventory import StackInventory
from stacks.backends.port import Backend

if TYPE_CHECKING:
    import psycopg

PATIENCE = 120.0
FIRST_OID = 1_000_000
"""Far above what a new server has given away."""
SERVICE = """[program:{name}]
command=/bin/sh -c "exec sleep infinity" /bin/sh
autostart=true
autorestart=true
stdout_logfile=NONE
stderr_logfile=NONE
"""
"""The fourth word is an existing file, as the launcher is in a real one; a program without a launcher is rewritten."""
CATALOGUE = """INSERT INTO pg_database
SELECT (jsonb_populate_record(template, jsonb_build_object(
  'oid', %s::bigint, 'datname', %s::text, 'datdba', %s::regrole::oid))).*
  FROM pg_database template WHERE template.datname = 'template0'"""


def hold(backend: Backend, strings: Mapping[str, str], upstream: str) -> None:
    """Everything that the records in the store say was made; every route leads to the same app."""
    on = local_settings.from_mapping(strings)
    # Not the inventory that is measured, which would have read every file already.
    records = StackInventory(backend).snapshot().stacks.values()
    made = [part.partition(":")[::2] for record in records for part in record.resource_names]
    for kind, name in made:
        environment, _, rest = name.partition("/")
        if kind == "Checkout":
            files.make_folder(on.envs / environment / "src" / rest)
        elif kind == "Route":
            routes.write(on.routes, RouteRecord(rest, upstream, environment, "web", ""))
    _register_databases(on, [name for kind, name in made if kind == "Database"])
    _start_services(strings, {name for kind, name in made if kind == "Service"})


def _register_databases(on: LocalSettings, names: Iterable[str]) -> None:
    with postgres.connect(on) as session, session.transaction():
        for number, name in enumerate(names):
            environment, _, database = name.partition("/")
            _register(session, on, (FIRST_OID + number, environment, database))


def _register(session: psycopg.Connection[Any], on: LocalSettings, what: tuple[int, str, str]) -> None:
    oid, environment, name = what
    postgres.execute(session, "CREATE ROLE {}", name)
    session.execute(CATALOGUE, (oid, name, name))
    environment_databases._comment(session, OwnedObject("ROLE", name, environment, environment_databases.SEEDED), on)


def _start_services(strings: Mapping[str, str], wanted: set[str]) -> None:
    on = local_settings.from_mapping(strings)
    names = [str(ProgramName(*name.split("/"))) for name in sorted(wanted)]
    for name in names:
        files.write(program_files.program_file(on, name), SERVICE.format(name=name))
    TARGET.stop(strings)
    TARGET.ensure(strings)  # brings up all that is on disk, which is faster than one after the other
    deadline = time.monotonic() + PATIENCE
    while missing := wanted - liveness.live_resources(on)["Service"]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(missing)} of {len(wanted)} services did not start within {PATIENCE:.0f} s")
        time.sleep(0.5)

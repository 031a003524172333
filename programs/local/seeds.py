"""Fills a database once: the repository's SQL scripts, then its seed command, all as the environment's own role.

Scripts run through psql inside the sandbox, because a script may ask psql for a shell. A seed that was interrupted
half-way starts again on an empty database; one that was finished is not run twice.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from programs.local import checkouts, commands, databases, postgres
from programs.local.commands import Job
from programs.local.errors import LocalError
from programs.local.sandbox import Place
from programs.local.settings import Settings

SCRIPT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Seed:
    """``title`` is the database's name in eph.yaml, ``name`` its name in the server."""

    environment: str
    title: str
    name: str
    url: str
    scripts: tuple[str, ...]
    command: tuple[str, int] | None
    env: Mapping[str, str]
    hidden: tuple[str, ...] = ()


def run(settings: Settings, place: Place, seed: Seed) -> None:
    reached = databases.state(settings, seed.name)
    if reached == databases.SEEDED:
        return
    if reached == databases.SEEDING:
        databases.empty(settings, seed.environment, seed.name)
    databases.mark(settings, seed.environment, seed.name, databases.SEEDING)
    for job in _jobs(place, seed):
        commands.run(settings, seed.environment, place, job)
    databases.mark(settings, seed.environment, seed.name, databases.SEEDED)


def _jobs(place: Place, seed: Seed) -> list[Job]:
    jobs = [_script(place, seed, path) for path in seed.scripts]
    if seed.command:
        run, timeout = seed.command
        title = f"the seed command of database {seed.title}"
        jobs.append(Job(title, f"seed-{seed.title}", run, timeout, seed.env, seed.hidden))
    return jobs


def _script(place: Place, seed: Seed, path: str) -> Job:
    checkouts.inside(place.checkout, path)
    folder = postgres.binaries()
    psql = folder / "psql" if folder else None
    if psql is None or not psql.exists():
        raise LocalError("psql was not found beside PostgreSQL's other programs; install postgresql-client")
    words = [str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", path]
    env = {**seed.env, "PGDATABASE": seed.url, "PGCONNECT_TIMEOUT": "10", "PGOPTIONS": "-c client_min_messages=warning"}
    # psql takes a whole URL in place of a name only as an argument; a variable keeps it out of the command line.
    line = f'exec {shlex.join(words)} -d "$PGDATABASE"'
    title = f"the script {path} of database {seed.title}"
    return Job(title, f"seed-{seed.title}", line, SCRIPT_SECONDS, env, seed.hidden)

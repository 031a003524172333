"""Seeds a database once: the repository's SQL scripts, then its seed command, all as the environment's own role. If
the seed needs the tables, the migrations come first.

Scripts run through psql in the sandbox, because a script can make psql run a shell. An interrupted seed starts again on
an empty database; a finished one isn't repeated.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from programs.kit.database import binaries, environment_databases
from programs.kit.errors import TargetError
from programs.kit.git import checkouts
from programs.kit.processes import command_runner
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.steps import StepName
from programs.targets.local import wording
from programs.targets.local.settings import LocalSettings

SCRIPT_TIMEOUT = 600


@dataclass(frozen=True, slots=True)
class SeedRun:
    """``config_name`` is the database's name in eph.yaml, ``name`` its name on the server."""

    environment: str
    config_name: str
    name: str
    url: str
    scripts: tuple[str, ...]
    command: tuple[str, int] | None
    env: Mapping[str, str]
    secret_values: tuple[str, ...] = ()
    migrate: tuple[str, int] | None = None


def run(settings: LocalSettings, workspace: Workspace, seed: SeedRun) -> None:
    reached = environment_databases.seed_state(settings, seed.name)
    if reached == environment_databases.SEEDED:
        return
    if reached == environment_databases.SEEDING:
        environment_databases.recreate(settings, seed.environment, seed.name)
    environment_databases.set_seed_state(settings, seed.environment, seed.name, environment_databases.SEEDING)
    for job in _commands(workspace, seed):
        command_runner.run(settings, seed.environment, workspace, job)
    environment_databases.set_seed_state(settings, seed.environment, seed.name, environment_databases.SEEDED)


def _commands(workspace: Workspace, seed: SeedRun) -> list[CommandRun]:
    scripts = [_script_command(workspace, seed, path) for path in seed.scripts]
    before = _own_command(seed, wording.migrations_of(seed.config_name), seed.migrate, StepName.MIGRATE)
    after = _own_command(seed, wording.seed_command_of(seed.config_name), seed.command, StepName.SEED)
    return [*before, *scripts, *after]


def _own_command(seed: SeedRun, title: str, command: tuple[str, int] | None, step: StepName) -> list[CommandRun]:
    if not command:
        return []
    slug = f"seed-{seed.config_name}"
    return [CommandRun(title, slug, *command, seed.env, seed.secret_values, (step, seed.config_name))]


def _script_command(workspace: Workspace, seed: SeedRun, path: str) -> CommandRun:
    checkouts.file_in_checkout(workspace.checkout, path)
    folder = binaries.binaries_folder()
    psql = folder / "psql" if folder else None
    if psql is None or not psql.exists():
        raise TargetError(wording.PSQL_MISSING)
    words = [str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", path]
    env = {**seed.env, "PGDATABASE": seed.url, "PGCONNECT_TIMEOUT": "10", "PGOPTIONS": "-c client_min_messages=warning"}
    # psql accepts a URL as a database name only as an argument; a variable keeps it off the command line.
    line = f'exec {shlex.join(words)} -d "$PGDATABASE"'
    title = wording.seed_script_of(path, seed.config_name)
    step = StepName.SEED, seed.config_name
    return CommandRun(title, f"seed-{seed.config_name}", line, SCRIPT_TIMEOUT, env, seed.secret_values, step)

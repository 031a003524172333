"""Everything on this machine that belongs to an environment, found by its name, not by any records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from programs.kit import files, identifiers, routes
from programs.kit.build_cache import builds
from programs.kit.database import environment_databases, postgres
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import domains, users
from programs.kit.processes import ports, process_table, program_files, supervisor
from programs.kit.server_engines import engines
from programs.targets.local import wording
from programs.targets.local.settings import LocalSettings

SERVER_GENERATIONS = frozenset(engines.KINDS)
"""In the names of servers of an environment, the engine takes the place of a generation: they outlive pushes."""


def list_environments(settings: LocalSettings) -> frozenset[str]:
    """The environments of which anything exists. Raises if that can't be determined."""
    found = {path.name for path in _folders(settings)}
    found |= {item.environment for item in list_programs(settings)}
    found |= {route.environment for route in routes.list_routes(settings.routes)}
    found |= {owner.split(".")[0] for _, owner in ports.list_reserved(settings) if "." in owner}
    found |= set(users.list_reserved(settings))
    found |= {item.environment for item in environment_databases.list_owned(settings)}
    return frozenset(name for name in found if identifiers.LABEL.fullmatch(name))


def list_programs(settings: LocalSettings) -> Iterator[ProgramName]:
    for name in program_files.list_programs(settings):
        found = identifiers.parse_program(name)
        if found:
            yield found


def _folders(settings: LocalSettings) -> list[Path]:
    return sorted(settings.envs.iterdir()) if settings.envs.is_dir() else []


def purge(settings: LocalSettings, name: str) -> None:
    """Removes every trace of an environment. Missing parts count as removed. Its processes end before its files are
    removed, because suites, builds and exec sessions write, too. The folder is removed last, so an interrupted purge is
    found again."""
    identifiers.check_label(name, "environment")
    routes.delete_of(settings.routes, name)
    _stop_other_generations(settings, name, keep="")
    domains.remove(settings, name)
    process_table.kill(process_table.started_for(settings.env(name), f"{settings.launches}/{name}."))
    _remove_other_files(settings, name, keep="")
    environment_databases.drop(
        settings, sorted({item.name for item in environment_databases.list_owned(settings) if item.environment == name})
    )
    files.remove(settings.env(name))
    users.release(settings, name)


def is_server(program: ProgramName) -> bool:
    return program.generation in SERVER_GENERATIONS


def has_other_generations(settings: LocalSettings, name: str, keep: str) -> bool:
    """Whether anything of a generation other than ``keep`` is running."""
    kept = {keep, *SERVER_GENERATIONS}
    return any(item.environment == name and item.generation not in kept for item in list_programs(settings))


def remove_other_generations(settings: LocalSettings, name: str, keep: str) -> None:
    """Stops what runs of generations other than ``keep``, releases their ports and removes their checkouts. Servers
    stay. So do suites and exec sessions, which can't redirect the removal: ``trees`` follows no links."""
    _stop_other_generations(settings, name, keep)
    _remove_other_files(settings, name, keep)


def _stop_other_generations(settings: LocalSettings, name: str, keep: str) -> None:
    """Servers stop only if nothing is kept."""
    kept = {keep, *(SERVER_GENERATIONS if keep else ())}
    old = [item for item in list_programs(settings) if item.environment == name and item.generation not in kept]
    if old:
        supervisor.remove(settings, [str(item) for item in old])
    ports.release(settings, {owner for owner in _port_owners(settings, name) if owner.rpartition(".")[2] not in kept})


def _remove_other_files(settings: LocalSettings, name: str, keep: str) -> None:
    source = settings.env(name) / "src"
    for path in source.iterdir() if source.is_dir() else ():
        if path.name != keep:
            files.remove(path)
    builds.remove_caches(settings, name, keep)


def _port_owners(settings: LocalSettings, name: str) -> list[str]:
    return [owner for _, owner in ports.list_reserved(settings) if owner.startswith(f"{name}.")]


def list_remaining(settings: LocalSettings, *, including_server: bool = False) -> list[str]:
    """Everything that exists of environments on this machine, one line each. ``including_server``: the server's own
    resources, too."""
    found = [wording.remaining_folder(path) for path in _folders(settings)]
    found += [wording.remaining_checkout(path) for path in settings.envs.glob("*/src/*")]
    found += [wording.remaining_route(route.host, route.environment) for route in routes.list_routes(settings.routes)]
    found += [wording.remaining_program(name) for name in program_files.list_programs(settings) if "." in name]
    found += [wording.remaining_port(port, owner) for port, owner in ports.list_reserved(settings) if "." in owner]
    found += [wording.remaining_launch_file(path.name) for path in (settings.launches).glob("*.*.*.json")]
    found += [wording.remaining_log(path.name) for path in settings.logs.glob("*.*.*.log*")]
    found += _processes(settings, including_server)
    if including_server:
        socket = supervisor.socket_path(settings)
        found += [wording.remaining_socket(socket)] if socket.exists() else []
    else:
        found += _databases(settings)
    return found


def _processes(settings: LocalSettings, including_server: bool) -> list[str]:
    marks = [settings.root] if including_server else [settings.envs, settings.launches]
    pids = {pid for mark in marks for pid in process_table.mentioning(f"{mark}/")}
    # The server's own programs are started from launch files, too, and mention them until they have become themselves.
    shared = [name for name in program_files.list_programs(settings) if "." not in name]
    own = () if including_server else tuple(str(program_files.launch_file(settings, name)) for name in shared)
    lines = {pid: process_table.command_line(pid) for pid in pids}
    return [
        wording.remaining_process(pid, line[:200])
        for pid, line in sorted(lines.items())
        if not any(path in line for path in own)
    ]


def _databases(settings: LocalSettings) -> list[str]:
    """All objects on the embedded server except its own; on an operator's server only those marked as ours."""
    if settings.postgres or not postgres.exists(settings):
        return [f"{item.kind.lower()} {item.name}" for item in environment_databases.list_owned(settings)]
    with postgres.connect(settings) as session:
        rows = session.execute(
            "SELECT 'database ' || datname FROM pg_database WHERE datname NOT IN ('postgres','template0','template1') "
            "UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname <> %s AND rolname NOT LIKE 'pg\\_%%'",
            [postgres.ADMIN],
        ).fetchall()
    return [str(row[0]) for row in rows]

"""Lists the resources on this machine that are marked with an environment, and removes single ones.

Marks are: a folder with an environment's name in our root; a comment in PostgreSQL with this root's digest; a route or
a port reservation that names an environment; the home folder in a process's environment. Anything else belongs to
others and is never listed or touched. A process is supervised if it descends from our supervisord or from this process;
any other would run forever.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from programs.inventory import HeldResource
from programs.kit import files, identifiers, routes
from programs.kit.database import environment_databases, postgres
from programs.kit.identifiers import ProgramName
from programs.kit.processes import ports, process_table, supervisor
from programs.kit.server_engines import engines
from programs.targets.local import cleanup
from programs.targets.local.settings import LocalSettings


def list_resources(settings: LocalSettings) -> list[HeldResource]:
    """Raises if any part can't be listed."""
    return sorted([
        *_folders(settings),
        *_programs(settings),
        *_ports(settings),
        *_routes(settings),
        *_processes(settings),
        *_databases(settings),
    ])  # fmt: skip


def delete_resource(settings: LocalSettings, resource: HeldResource) -> bool:
    """Checks first that the resource is still the one that was listed: a process ID may have been reused. A home is
    removed only with its environment."""
    if resource not in list_resources(settings):
        return True
    match resource.kind:
        case "checkout" | "incomplete checkout":
            files.remove(settings.env(resource.environment) / "src" / resource.name.rpartition("/")[2])
        case "service" | "launch file" | "log":
            supervisor.remove(settings, [resource.name])
        case "port":
            ports.release_port(settings, int(resource.name))
        case "route":
            route = next(route for route in routes.list_routes(settings.routes) if route.host == resource.name)
            routes.delete(settings.routes, route.host, route.environment, route.service)
        case "process" | "sandbox":
            process_table.kill([int(resource.name.partition(" ")[0])])
        case "database" | "role":
            environment_databases.drop(settings, [resource.name])
        case _:
            return False
    return True


def _folders(settings: LocalSettings) -> Iterator[HeldResource]:
    for folder in _entries(settings.envs):
        name = folder.name
        if not identifiers.LABEL.fullmatch(name):
            continue
        yield HeldResource("folder", str(folder), name, f"Home:{name}", _rm_command(folder, tree=True))
        for path in _entries(folder / "src"):
            if path.name.startswith("."):  # a checkout is written here until it is complete
                command = _rm_command(path, tree=True)
                yield HeldResource("incomplete checkout", f"{name}/{path.name}", name, "", command, is_supervised=False)
            else:
                part = f"Checkout:{name}/{path.name}"
                yield HeldResource("checkout", f"{name}/{path.name}", name, part, _rm_command(path, tree=True))


def _entries(folder: Path) -> list[Path]:
    """None if it was removed meanwhile."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _programs(settings: LocalSettings) -> Iterator[HeldResource]:
    places = (
        ("service", settings.programs, ".conf"),
        ("launch file", settings.launches, ".json"),
        ("log", settings.logs, ".log"),
    )
    for kind, folder, ending in places:
        for path in sorted(folder.glob(f"*{ending}")):
            name = path.name.removesuffix(ending)
            found = identifiers.parse_program(name)
            if found:
                command = _stop_command(settings, name, path) if kind == "service" else _rm_command(path)
                yield HeldResource(kind, name, found.environment, _program_id(found), command)


def _program_id(found: ProgramName) -> str:
    kind, name = engines.KINDS.get(found.generation, "Service"), found.service.partition("--")[0]
    return f"{kind}:{found.environment}/{name}/{found.generation}"


def _stop_command(settings: LocalSettings, name: str, path: Path) -> str:
    socket = supervisor.socket_path(settings)
    words = [sys.executable, "-m", "supervisor.supervisorctl", "-s", f"unix://{socket}", "stop", name]
    return f"{shlex.join(words)}; {_rm_command(path)}"


def _ports(settings: LocalSettings) -> Iterator[HeldResource]:
    for port, owner in ports.list_reserved(settings):
        found = identifiers.parse_program(owner)
        if found:
            of_services = f"Ports:{found.environment}/{found.generation}"
            part = _program_id(found) if cleanup.is_server(found) else of_services
            yield HeldResource(
                "port", str(port), found.environment, part, _rm_command(ports.reservation_file(settings, port))
            )


def _routes(settings: LocalSettings) -> Iterator[HeldResource]:
    for route in routes.list_routes(settings.routes):
        part = f"Route:{route.environment}/{route.host}"
        yield HeldResource(
            "route", route.host, route.environment, part, _rm_command(settings.routes / f"{route.host}.json")
        )


def _processes(settings: LocalSettings) -> Iterator[HeldResource]:
    keepers = {os.getpid(), *(pid for pid in process_table.pids() if _is_supervisor(settings, pid))}
    for pid in process_table.pids():
        environment = _environment_of(settings, pid)
        if environment and process_table.is_alive(pid):
            name = f"{pid} ({process_table.process_name(pid)})"
            kind = "sandbox" if process_table.process_name(pid) == "bwrap" else "process"
            kept = not keepers.isdisjoint(process_table.ancestry(pid))
            yield HeldResource(kind, name, environment, "", f"kill -9 {pid}", is_supervised=kept)


def _is_supervisor(settings: LocalSettings, pid: int) -> bool:
    return f"supervisor.supervisord -c {supervisor.config(settings)}" in process_table.command_line(pid)


def _environment_of(settings: LocalSettings, pid: int) -> str:
    """The environment whose home a process has, or will have once it is started."""
    home = process_table.environment_variable(pid, "HOME")
    if home.startswith(f"{settings.envs}/") and home.endswith("/home"):
        return Path(home).parent.name
    line = process_table.command_line(pid)
    if "launch.py " not in line:
        return ""
    file = Path(line.rpartition(" ")[2])
    if file.is_relative_to(settings.envs):
        return file.relative_to(settings.envs).parts[0]
    found = identifiers.parse_program(file.stem) if file.is_relative_to(settings.launches) else None
    return found.environment if found else ""


def _databases(settings: LocalSettings) -> Iterator[HeldResource]:
    owned = environment_databases.list_owned(settings)
    base = {item.name for item in owned if item.kind == "DATABASE"}
    for item in owned:
        name = item.name
        part = f"Database:{item.environment}/{name}"
        statement = f'DROP {item.kind} IF EXISTS "{name}"{" WITH (FORCE)" if item.kind == "DATABASE" else ""}'
        # A role can be dropped only after its database.
        kind = "role" if item.kind == "ROLE" else "database"
        before = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)' if kind == "role" and name in base else ""
        command = _psql_command(settings, [word for word in (before, statement) if word])
        yield HeldResource(kind, name, item.environment, part, command)


def _psql_command(settings: LocalSettings, statements: list[str]) -> str:
    """Names the file with the administrator's password, never the password."""
    host, port = postgres.server_address(settings)
    words = [word for statement in statements for word in ("-c", statement)]
    if settings.postgres:
        return shlex.join(["psql", "-h", host, "-p", str(port), "-d", "postgres", *words])
    line = shlex.join(["psql", "-h", host, "-p", str(port), "-U", postgres.ADMIN, "-d", "postgres", *words])
    return f'PGPASSWORD="$(cat {shlex.quote(str(settings.root / "postgres" / "password"))})" {line}'


def _rm_command(path: Path, *, tree: bool = False) -> str:
    return shlex.join(["rm", "-r" if tree else "-f", str(path)])

"""Each thing on this machine that carries an environment's mark, found by looking, and the removal of a single one.

A mark is: a folder of an environment's name in our own root; a comment in PostgreSQL with this root's digest; a route
or a reservation that names an environment; the home folder in a process's environment. What has none is somebody
else's, is not named, and is never touched. A process counts as supported while it comes from our supervisord or from
this very process; one that lost both would live on for ever.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from programs.holdings import Holding
from programs.local import databases, files, identifiers, ports, postgres, processes, routes, supervision
from programs.local.identifiers import Program
from programs.local.settings import Settings


def every(settings: Settings) -> list[Holding]:
    """Raises when any of it cannot be looked at."""
    return sorted([
        *_folders(settings),
        *_programs(settings),
        *_ports(settings),
        *_routes(settings),
        *_processes(settings),
        *_databases(settings),
    ])  # fmt: skip


def discard(settings: Settings, thing: Holding) -> bool:
    """What was seen must still be so: a number may be another's by now. A home goes with its environment alone."""
    if thing not in every(settings):
        return True
    match thing.kind:
        case "checkout" | "half-made checkout":
            files.remove(settings.env(thing.environment) / "src" / thing.name.rpartition("/")[2])
        case "service" | "launch file" | "log":
            supervision.remove(settings, [thing.name])
        case "port":
            ports.free(settings, int(thing.name))
        case "route":
            route = next(route for route in routes.every(settings) if route.host == thing.name)
            routes.remove(settings, route.host, route.environment, route.service)
        case "process" | "sandbox":
            processes.end([int(thing.name.partition(" ")[0])])
        case "database" | "role":
            databases.drop(settings, [thing.name])
        case _:
            return False
    return True


def _folders(settings: Settings) -> Iterator[Holding]:
    for folder in _entries(settings.envs):
        name = folder.name
        if not identifiers.LABEL.fullmatch(name):
            continue
        yield Holding("folder", str(folder), name, f"Home:{name}", _rm(folder, tree=True))
        for path in _entries(folder / "src"):
            if path.name.startswith("."):  # what a checkout is written to until it is whole
                command = _rm(path, tree=True)
                yield Holding("half-made checkout", f"{name}/{path.name}", name, "", command, supported=False)
            else:
                part = f"Checkout:{name}/{path.name}"
                yield Holding("checkout", f"{name}/{path.name}", name, part, _rm(path, tree=True))


def _entries(folder: Path) -> list[Path]:
    """None when it went while it was looked at."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _programs(settings: Settings) -> Iterator[Holding]:
    places = (
        ("service", settings.programs, ".conf"),
        ("launch file", settings.launches, ".json"),
        ("log", settings.logs, ".log"),
    )
    for kind, folder, ending in places:
        for path in sorted(folder.glob(f"*{ending}")):
            name = path.name.removesuffix(ending)
            found = identifiers.program(name)
            if found:
                command = _stop(settings, name, path) if kind == "service" else _rm(path)
                yield Holding(kind, name, found.environment, _part(found), command)


def _part(found: Program) -> str:
    return f"Service:{found.environment}/{found.service}/{found.generation}"


def _stop(settings: Settings, name: str, path: Path) -> str:
    socket = supervision.socket_path(settings)
    words = [sys.executable, "-m", "supervisor.supervisorctl", "-s", f"unix://{socket}", "stop", name]
    return f"{shlex.join(words)}; {_rm(path)}"


def _ports(settings: Settings) -> Iterator[Holding]:
    for port, owner in ports.reserved(settings):
        found = identifiers.program(owner)
        if found:
            part = f"Ports:{found.environment}/{found.generation}"
            yield Holding("port", str(port), found.environment, part, _rm(ports.file(settings, port)))


def _routes(settings: Settings) -> Iterator[Holding]:
    for route in routes.every(settings):
        part = f"Route:{route.environment}/{route.host}"
        yield Holding("route", route.host, route.environment, part, _rm(settings.routes / f"{route.host}.json"))


def _processes(settings: Settings) -> Iterator[Holding]:
    keepers = {os.getpid(), *(pid for pid in processes.pids() if _keeps(settings, pid))}
    for pid in processes.pids():
        environment = _of(settings, pid)
        if environment and processes.alive(pid):
            name = f"{pid} ({processes.name(pid)})"
            kind = "sandbox" if processes.name(pid) == "bwrap" else "process"
            kept = not keepers.isdisjoint(processes.line(pid))
            yield Holding(kind, name, environment, "", f"kill -9 {pid}", supported=kept)


def _keeps(settings: Settings, pid: int) -> bool:
    return f"supervisor.supervisord -c {supervision.config(settings)}" in processes.command(pid)


def _of(settings: Settings, pid: int) -> str:
    """The environment whose home a process was given, or that it is about to be started for."""
    home = processes.variable(pid, "HOME")
    if home.startswith(f"{settings.envs}/") and home.endswith("/home"):
        return Path(home).parent.name
    line = processes.command(pid)
    if "launch.py " not in line:
        return ""
    file = Path(line.rpartition(" ")[2])
    if file.is_relative_to(settings.envs):
        return file.relative_to(settings.envs).parts[0]
    found = identifiers.program(file.stem) if file.is_relative_to(settings.launches) else None
    return found.environment if found else ""


def _databases(settings: Settings) -> Iterator[Holding]:
    owned = databases.owned(settings)
    base = {item.name for item in owned if item.kind == "DATABASE"}
    for item in owned:
        name = item.name
        part = f"Database:{item.environment}/{name}"
        statement = f'DROP {item.kind} IF EXISTS "{name}"{" WITH (FORCE)" if item.kind == "DATABASE" else ""}'
        # A role can only go after its database.
        kind = "role" if item.kind == "ROLE" else "database"
        before = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)' if kind == "role" and name in base else ""
        command = _psql(settings, [word for word in (before, statement) if word])
        yield Holding(kind, name, item.environment, part, command)


def _psql(settings: Settings, statements: list[str]) -> str:
    """The administrator's password is named by its file, never shown."""
    host, port = postgres.address(settings)
    words = [word for statement in statements for word in ("-c", statement)]
    if settings.postgres:
        return shlex.join(["psql", "-h", host, "-p", str(port), "-d", "postgres", *words])
    line = shlex.join(["psql", "-h", host, "-p", str(port), "-U", postgres.ADMIN, "-d", "postgres", *words])
    return f'PGPASSWORD="$(cat {shlex.quote(str(settings.root / "postgres" / "password"))})" {line}'


def _rm(path: Path, *, tree: bool = False) -> str:
    return shlex.join(["rm", "-r" if tree else "-f", str(path)])

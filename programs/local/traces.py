"""Everything on this machine that belongs to an environment, found by its name and not by anybody's records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from programs.local import databases, files, identifiers, ports, postgres, processes, routes, supervision
from programs.local.identifiers import Program
from programs.local.settings import Settings


def names(settings: Settings) -> frozenset[str]:
    """The environments of which anything exists. Raises when it cannot be told."""
    found = {path.name for path in _folders(settings)}
    found |= {item.environment for item in programs(settings)}
    found |= {route.environment for route in routes.every(settings)}
    found |= {owner.split(".")[0] for _, owner in ports.reserved(settings) if "." in owner}
    found |= {item.environment for item in databases.owned(settings)}
    return frozenset(name for name in found if identifiers.LABEL.fullmatch(name))


def programs(settings: Settings) -> Iterator[Program]:
    for name in supervision.programs(settings):
        found = identifiers.program(name)
        if found:
            yield found


def _folders(settings: Settings) -> list[Path]:
    return sorted(settings.envs.iterdir()) if settings.envs.is_dir() else []


def purge(settings: Settings, name: str) -> None:
    """Removes every trace of an environment. What is not there is already removed; the folder goes last, so that
    an interrupted purge is found again."""
    identifiers.label(name, "environment")
    for route in list(routes.every(settings)):
        if route.environment == name:
            routes.remove(settings, route.host, name, route.service)
    retire(settings, name, keep="")
    processes.end(processes.started_for(settings.env(name), f"{settings.launches}/{name}."))
    databases.drop(settings, sorted({item.name for item in databases.owned(settings) if item.environment == name}))
    files.remove(settings.env(name))


def others(settings: Settings, name: str, keep: str) -> bool:
    """Whether anything runs of another generation than ``keep``."""
    return any(item.environment == name and item.generation != keep for item in programs(settings))


def retire(settings: Settings, name: str, keep: str) -> None:
    """Ends what runs of other generations than ``keep``, gives their ports back and removes their checkouts."""
    old = [item for item in programs(settings) if item.environment == name and item.generation != keep]
    if old:
        supervision.remove(settings, [str(item) for item in old])
    ports.release(settings, {owner for owner in _owners(settings, name) if owner.rpartition(".")[2] != keep})
    source = settings.env(name) / "src"
    for path in source.iterdir() if source.is_dir() else ():
        if path.name != keep:
            files.remove(path)


def _owners(settings: Settings, name: str) -> list[str]:
    return [owner for _, owner in ports.reserved(settings) if owner.startswith(f"{name}.")]


def leftovers(settings: Settings, *, stopped: bool = False) -> list[str]:
    """What exists of environments, a line each, by looking at the machine; ``stopped``: the server's own too."""
    found = [f"folder {path}" for path in _folders(settings)]
    found += [f"checkout {path}" for path in settings.envs.glob("*/src/*")]
    found += [f"route {route.host} of {route.environment}" for route in routes.every(settings)]
    found += [f"program {name}" for name in supervision.programs(settings) if "." in name]
    found += [f"port {port} of {owner}" for port, owner in ports.reserved(settings) if "." in owner]
    found += [f"launch file {path.name}" for path in (settings.launches).glob("*.*.*.json")]
    found += [f"log {path.name}" for path in settings.logs.glob("*.*.*.log*")]
    found += _processes(settings, stopped)
    if stopped:
        socket = supervision.socket_path(settings)
        found += [f"socket {socket}"] if socket.exists() else []
    else:
        found += _databases(settings)
    return found


def _processes(settings: Settings, stopped: bool) -> list[str]:
    marks = [settings.root] if stopped else [settings.envs, settings.launches]
    pids = {pid for mark in marks for pid in processes.mentioning(f"{mark}/")}
    # The server is started from a launch file too, and carries its name until it has become PostgreSQL.
    own = f"{settings.root / 'launch' / postgres.PROGRAM}.json"
    lines = {pid: processes.command(pid) for pid in pids}
    return [f"process {pid}: {line[:200]}" for pid, line in sorted(lines.items()) if stopped or own not in line]


def _databases(settings: Settings) -> list[str]:
    """Of the embedded server all but its own; of an operator's only those that are marked as ours."""
    if settings.postgres or not postgres.exists(settings):
        return [f"{item.kind.lower()} {item.name}" for item in databases.owned(settings)]
    with postgres.connect(settings) as session:
        rows = session.execute(
            "SELECT 'database ' || datname FROM pg_database WHERE datname NOT IN ('postgres','template0','template1') "
            "UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname <> %s AND rolname NOT LIKE 'pg\\_%%'",
            [postgres.ADMIN],
        ).fetchall()
    return [str(row[0]) for row in rows]

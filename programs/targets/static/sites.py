"""Sites on this machine: the folder that is served, the record that the file server reads, and the route to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from programs import steps
from programs.kit import files, identifiers, routes
from programs.kit.git import checkouts
from programs.kit.isolation import domains, outbound, users
from programs.kit.processes import command_runner, process_table, program_files
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.kit.routes import RouteRecord
from programs.redaction import redact
from programs.runtime_info import LogLines, LogRequest, NoSuchLog, require_service
from programs.steps import StepName
from programs.targets.static import publication, settings, shared_processes
from programs.targets.static.settings import StaticHost

TARGET_NAME = "static"
SERVICE = "site"
MAX_BYTES = 256 * 1024


def publish(host: StaticHost, name: str, props: Mapping[str, Any]) -> None:
    """Idempotent. The old commit is served until the new one is complete."""
    identifiers.check_label(name, "environment")
    folder, generation = host.env(name), props["generation"]
    checkout = folder / "src" / generation
    fresh = files.make_folder(folder / "sites") / f".{generation}"
    files.make_folder(folder / "logs")
    try:
        _build(host, name, checkout, props)
        files.remove(fresh)
        with steps.step(StepName.PUBLISH):
            publication.copy_site(checkout, props["folder"], fresh, host.site_bytes)
            publication.check_pages(fresh, props["folder"], props["fallback"])
            files.remove(folder / "sites" / generation)
            fresh.replace(folder / "sites" / generation)
    finally:
        files.remove(fresh)
        files.remove(folder / "src")
    _serve(host, name, props)
    for path in (folder / "sites").iterdir():
        if path.name != generation:
            files.remove(path)


def remove(host: StaticHost, name: str) -> None:
    """The folder goes last, so that an interrupted removal is found again."""
    identifiers.check_label(name, "environment")
    for route in list(routes.list_routes(host.routes, TARGET_NAME)):
        if route.environment == name:
            routes.delete(host.routes, route.host, name, route.service)
    for path, environment in _records(host).items():
        if environment == name:
            path.unlink(missing_ok=True)
    domains.remove(settings.build_host(host), name)
    process_table.kill(process_table.started_for(host.env(name), f"{host.launches}/{name}."))
    files.remove(host.env(name))
    users.release(host, name)


def list_names(host: StaticHost) -> frozenset[str]:
    """The environments of which anything exists."""
    found = {path.name for path in host.envs.iterdir()} if host.envs.is_dir() else set()
    found |= {route.environment for route in routes.list_routes(host.routes, TARGET_NAME)}
    found |= set(_records(host).values()) | set(users.list_reserved(host))
    found |= {name.partition(".")[2] for name in program_files.list_programs(host) if name.startswith("domain.")}
    return frozenset(name for name in found if identifiers.LABEL.fullmatch(name))


def list_complete(host: StaticHost) -> frozenset[str]:
    """The environments whose site is served."""
    routed = {route.environment for route in routes.list_routes(host.routes, TARGET_NAME)}
    served = {name for path, name in _records(host).items() if _folder(path).is_dir()}
    return frozenset(routed & served)


def list_remaining(host: StaticHost) -> list[str]:
    return [f"site {name}" for name in sorted(list_names(host))]


def read_logs(host: StaticHost, name: str, request: LogRequest) -> LogLines:
    """The requests to the site. A position is the number of bytes read."""
    require_service(request.service, {SERVICE}, name)
    if request.previous:
        raise NoSuchLog("A site has no processes, so there is no log of a previous one. Omit --previous.")
    path = host.env(name) / "logs" / "access.log"
    size = path.stat().st_size if path.exists() else 0
    if request.since is None:
        return LogLines(tuple(map(redact, files.tail(path, request.lines))), {SERVICE: str(size)})
    start = int(request.since.get(SERVICE, "0"))
    start = 0 if start > size else start
    data = _read_from(path, start)
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.decode(errors="replace").splitlines()
    return LogLines(tuple(map(redact, lines)), {SERVICE: str(start + len(whole))})


def _build(host: StaticHost, name: str, checkout: Path, props: Mapping[str, Any]) -> None:
    """Nothing of the repository runs when it returns."""
    home, user = host.env(name) / "home", users.reserve(host, name)
    files.make_folder(home / "tmp")
    with steps.step(StepName.CHECKOUT) as output:
        output.add(checkouts.create(host, (props["clone_url"], props["commit"]), checkout))
    if not props["build"]:
        return
    users.give(home, user)
    users.give(checkout, user)
    builder = settings.build_host(host)
    try:
        workspace = Workspace(checkout, home, domain=domains.ensure(builder, name))
        env = {**outbound.proxy_variables(host), **props["env"]}
        hidden = tuple(props["env"][variable] for variable in props["secrets"])
        run = CommandRun("build", "build", props["build"]["command"], int(props["build"]["timeout"]), env, hidden)
        command_runner.run(builder, name, workspace, run)
    finally:
        domains.remove(builder, name)


def _serve(host: StaticHost, name: str, props: Mapping[str, Any]) -> None:
    folder = host.env(name)
    record = {
        "folder": str(folder / "sites" / props["generation"]),
        "fallback": props["fallback"] or "",
        "log": str(folder / "logs" / "access.log"),
    }
    files.write(host.served / f"{identifiers.check_host(props['host'])}.json", json.dumps(record))
    route = RouteRecord(
        props["host"],
        shared_processes.upstream(host),
        name,
        SERVICE,
        props["commit"],
        sign_in=bool(props["sign_in"]),
        allow=tuple(props["allow"]),
        target=TARGET_NAME,
    )
    routes.write(host.routes, route)


def _records(host: StaticHost) -> dict[Path, str]:
    """The environment of each record: the folder that it serves is <environment>/sites/<generation>."""
    return {path: _folder(path).parents[1].name for path in sorted(host.served.glob("*.json"))}


def _folder(record: Path) -> Path:
    try:
        return Path(json.loads(record.read_text())["folder"])
    except FileNotFoundError:
        return Path("/-/sites/-")


def _read_from(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        return b""

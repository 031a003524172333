"""Sites on this machine: the folder that is served, the record that the file server reads, and the route to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from programs import steps
from programs.kit import files, identifiers, log_files, routes
from programs.kit.build_cache import builds
from programs.kit.build_cache.builds import BuildSource
from programs.kit.git import checkouts
from programs.kit.isolation import domains, outbound, users
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.kit.record_environments import RecordEnvironments
from programs.kit.routes import RouteRecord
from programs.redaction import redact
from programs.runtime_info import LogLines, LogRequest, NoSuchLog, refuse_times, require_service
from programs.steps import StepName
from programs.targets.static import publication, settings, shared_processes, wording
from programs.targets.static.settings import StaticHost

TARGET_NAME = "static"
SERVICE = "site"


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
            publication.check_pages(fresh, props["folder"], props.get("fallback"))
            files.remove(folder / "sites" / generation)
            fresh.replace(folder / "sites" / generation)
    finally:
        files.remove(fresh)
        files.remove(folder / "src")
        builds.remove_caches(host, name)
    _serve(host, name, props)
    for path in (folder / "sites").iterdir():
        if path.name != generation:
            files.remove(path)


def remove(host: StaticHost, name: str) -> None:
    identifiers.check_label(name, "environment")
    _environments(host).remove(name)


def list_names(host: StaticHost) -> frozenset[str]:
    return _environments(host).list_names()


def list_complete(host: StaticHost) -> frozenset[str]:
    """The environments whose site is served."""
    found = _environments(host)
    return found.list_routed() & {name for path, name in found.records.items() if _folder(path).is_dir()}


def list_remaining(host: StaticHost) -> list[str]:
    return [f"site {name}" for name in sorted(list_names(host))]


def read_logs(host: StaticHost, name: str, request: LogRequest) -> LogLines:
    """The requests to the site."""
    refuse_times(request)
    require_service(request.service, {SERVICE}, name)
    if request.previous:
        raise NoSuchLog(wording.NO_PREVIOUS_LOG)
    lines, position = log_files.read(host.env(name) / "logs" / "access.log", request, SERVICE)
    return LogLines(tuple(map(redact, lines)), {SERVICE: position})


def _build(host: StaticHost, name: str, checkout: Path, props: Mapping[str, Any]) -> None:
    """Nothing of the repository runs when it returns."""
    home, user = host.env(name) / "home", users.reserve(host, name)
    files.make_folder(home / "tmp")
    with steps.step(StepName.CHECKOUT) as output:
        output.add(checkouts.create(host, (props["clone_url"], props["commit"]), checkout))
    if not props.get("build"):  # Pulumi drops an input without a value
        return
    users.give(home, user)
    users.give(checkout, user)
    builder = settings.build_host(host)
    try:
        workspace = Workspace(checkout, home, domain=domains.ensure(builder, name))
        env = {**outbound.proxy_variables(host), **props["env"]}
        hidden = tuple(props["env"][variable] for variable in props["secrets"])
        run = CommandRun("build", "build", props["build"]["command"], int(props["build"]["timeout"]), env, hidden)
        source = BuildSource(props["repository"], props["from_fork"], props["read_only_cache"])
        builds.run(builder, name, workspace, run, source)
    finally:
        domains.remove(builder, name)


def _serve(host: StaticHost, name: str, props: Mapping[str, Any]) -> None:
    folder = host.env(name)
    record = {
        "folder": str(folder / "sites" / props["generation"]),
        "fallback": props.get("fallback") or "",
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


def _environments(host: StaticHost) -> RecordEnvironments:
    return RecordEnvironments(host, settings.build_host(host), TARGET_NAME, _records(host))


def _records(host: StaticHost) -> dict[Path, str]:
    """The environment of each record: the folder that it serves is <environment>/sites/<generation>."""
    return {path: _folder(path).parents[1].name for path in sorted(host.served.glob("*.json"))}


def _folder(record: Path) -> Path:
    try:
        return Path(json.loads(record.read_text())["folder"])
    except FileNotFoundError:
        return Path("/-/sites/-")

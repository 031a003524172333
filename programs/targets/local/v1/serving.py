"""Services, their routes, and the record of the current generation."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import ClassVar

from programs.kit import routes
from programs.kit.errors import TargetError
from programs.kit.identifiers import ProgramName
from programs.kit.isolation import domains
from programs.kit.processes import supervisor
from programs.kit.routes import RouteRecord
from programs.kit.waiting import pause
from programs.targets.local import cleanup, database_use, service_volumes, supervised_services
from programs.targets.local.database_use import DeclaredDatabase
from programs.targets.local.settings import LocalSettings
from programs.targets.local.supervised_services import ServiceProcess
from programs.targets.local.v1.base import Props, Provider, joined


class ServiceProvider(Provider):
    """Created next to the service of the previous generation, which is removed only after this one responds and is
    routed to. Restarted in place after a database was recreated, because its password is new (``data``)."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "service", "generation")
    updated_by: ClassVar[tuple[str, ...]] = ("data",)
    kept: ClassVar[tuple[str, ...]] = ("port", "path")

    def make(self, host: LocalSettings, props: Props) -> Props:
        service = ServiceProcess(
            program=_program(props),
            command=props["command"],
            port=int(props["port"]),
            path=props["path"],
            deadline=int(props["deadline"]),
            env=props["env"],
            schedule=props.get("schedule") or "",
            public=props.get("public") is not False,
            origin=str(props.get("url") or ""),
            secrets=tuple(props.get("secrets") or ()),
        )
        workspace = joined(host, props)
        if props.get("databases") and not props.get("asleep"):
            declared = [DeclaredDatabase(**item) for item in props["databases"]]
            version = f"{props['generation']} {props['data']}"
            with contextlib.suppress(TargetError):  # only a notice depends on it
                database_use.begin(host, props["environment"], version, declared, time.time() + service.deadline)
        workspace = service_volumes.mounted(host, workspace, service.program, props.get("volumes") or ())
        begin = supervised_services.prepare if props.get("asleep") else supervised_services.start
        begin(host, workspace, service)
        return {}

    def unmake(self, host: LocalSettings, props: Props) -> None:
        supervised_services.stop(host, [_program(props)])

    def exists(self, host: LocalSettings, props: Props) -> bool:
        """Checks that it runs and responds, so that a repair restarts a service that only seems to run."""
        running = supervisor.info(host, str(_program(props))).get("statename") in ("RUNNING", "STARTING")
        path = props.get("path")  # resources of an earlier version don't record it
        return running and (
            path is None or supervised_services.is_answering(host, _program(props), int(props["port"]), path)
        )


class RouteProvider(Provider):
    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "host")
    updated_by: ClassVar[tuple[str, ...]] = ("port", "commit", "service", "sign_in", "health", "allow")

    def make(self, host: LocalSettings, props: Props) -> Props:
        upstream = f"http://127.0.0.1:{int(props['port'])}"
        owner = (props["environment"], props["service"], props["commit"])
        health = str(props.get("health") or "")
        allow = tuple(props.get("allow") or ())
        isolated = domains.exists(host, props["environment"])
        route = RouteRecord(
            props["host"],
            upstream,
            *owner,
            sign_in=bool(props["sign_in"]),
            health=health,
            allow=allow,
            isolated=isolated,
            asleep=bool(props.get("asleep")),
        )
        routes.write(host.routes, route)
        return {}

    def unmake(self, host: LocalSettings, props: Props) -> None:
        routes.delete(host.routes, props["host"], props["environment"], props["service"])

    def exists(self, host: LocalSettings, props: Props) -> bool:
        """A route that a refresh finds asleep is written again, as the update that follows wants it."""
        return any(route.host == props["host"] and not route.asleep for route in routes.list_routes(host.routes))


class CurrentProvider(Provider):
    """Runs after the routes have switched: removes everything of other generations, recorded or not, running or not."""

    updated_by: ClassVar[tuple[str, ...]] = ("generation",)

    def make(self, host: LocalSettings, props: Props) -> Props:
        if cleanup.has_other_generations(host, props["environment"], props["generation"]):
            pause(host.drain)
        cleanup.remove_other_generations(host, props["environment"], props["generation"])
        return {"at": datetime.now(UTC).isoformat(timespec="milliseconds")}


def _program(props: Props) -> ProgramName:
    return ProgramName(props["environment"], props["service"], props["generation"])

"""Services, their routes, and the word that a generation is the current one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from programs.kit import routes
from programs.kit.host_settings import HostSettings
from programs.kit.identifiers import ProgramName
from programs.kit.processes import supervisor
from programs.kit.routes import RouteRecord
from programs.kit.waiting import pause
from programs.targets.local import cleanup, supervised_services
from programs.targets.local.supervised_services import ServiceProcess
from programs.targets.local.v1.base import Props, Provider, place


class ServiceProvider(Provider):
    """Made beside the one of the last generation, which goes only after this one answered and was routed to. Started
    again in its place when a database was made again, because its password is a new one (``data``)."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "service", "generation")
    updated_by: ClassVar[tuple[str, ...]] = ("data",)
    kept: ClassVar[tuple[str, ...]] = ("port", "path")

    def make(self, on: HostSettings, props: Props) -> Props:
        service = ServiceProcess(
            program=_program(props),
            command=props["command"],
            port=int(props["port"]),
            path=props["path"],
            deadline=int(props["deadline"]),
            env=props["env"],
        )
        supervised_services.start(on, place(on, props), service)
        return {}

    def unmake(self, on: HostSettings, props: Props) -> None:
        supervised_services.stop(on, [_program(props)])

    def exists(self, on: HostSettings, props: Props) -> bool:
        """It stands when it runs and answers: a repair starts one anew that only seems to."""
        running = supervisor.info(on, str(_program(props))).get("statename") in ("RUNNING", "STARTING")
        path = props.get("path")  # what an earlier version made does not say it
        return running and (path is None or supervised_services.is_answering(int(props["port"]), path))


class RouteProvider(Provider):
    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "host")
    updated_by: ClassVar[tuple[str, ...]] = ("port", "commit", "service", "sign_in", "health")

    def make(self, on: HostSettings, props: Props) -> Props:
        upstream = f"http://127.0.0.1:{int(props['port'])}"
        whose = (props["environment"], props["service"], props["commit"])
        health = str(props.get("health") or "")
        routes.write(on, RouteRecord(props["host"], upstream, *whose, sign_in=bool(props["sign_in"]), health=health))
        return {}

    def unmake(self, on: HostSettings, props: Props) -> None:
        routes.delete(on, props["host"], props["environment"], props["service"])

    def exists(self, on: HostSettings, props: Props) -> bool:
        """One that says that it sleeps, when a refresh asks, was left behind: what an update makes is awake."""
        return any(route.host == props["host"] and not route.asleep for route in routes.list_routes(on))


class CurrentProvider(Provider):
    """After the routes moved: whatever is there of another generation goes, recorded or not, running or not."""

    updated_by: ClassVar[tuple[str, ...]] = ("generation",)

    def make(self, on: HostSettings, props: Props) -> Props:
        if cleanup.has_other_generations(on, props["environment"], props["generation"]):
            pause(on.drain)
        cleanup.remove_other_generations(on, props["environment"], props["generation"])
        return {"at": datetime.now(UTC).isoformat(timespec="milliseconds")}


def _program(props: Props) -> ProgramName:
    return ProgramName(props["environment"], props["service"], props["generation"])

"""Databases, their seeds, and servers of the environment's own."""

from __future__ import annotations

import uuid
from typing import ClassVar

from pulumi.dynamic import UpdateResult

from programs import steps
from programs.kit.database import environment_databases
from programs.kit.processes import supervisor
from programs.steps import StepName
from programs.targets.local import environment_servers, seeds
from programs.targets.local import settings as local_settings
from programs.targets.local.environment_servers import EnvironmentServer, ServerAccess
from programs.targets.local.seeds import SeedRun
from programs.targets.local.settings import LocalSettings
from programs.targets.local.v1.base import Props, Provider, hidden, joined


class DatabaseProvider(Provider):
    """``database`` is the name on the server; it depends on the seed. ``made`` changes each time the database is
    created, so that everything that received its password is given the new one."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "database")

    def make(self, host: LocalSettings, props: Props) -> Props:
        with steps.step(StepName.DATABASE, str(props.get("title", ""))):
            url = environment_databases.create(host, props["environment"], props["database"], props.get("source", ""))
        return {"url": url, "made": uuid.uuid4().hex[:12]}

    def unmake(self, host: LocalSettings, props: Props) -> None:
        environment_databases.drop(host, [props["database"]])

    def exists(self, host: LocalSettings, props: Props) -> bool:
        return any(
            item.name == props["database"] and item.kind == "DATABASE"
            for item in environment_databases.list_owned(host)
        )


class SeedProvider(Provider):
    """Runs once per database, from the commit that was newest then."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "database")

    def make(self, host: LocalSettings, props: Props) -> Props:
        seed = SeedRun(
            environment=props["environment"],
            config_name=props["title"],
            name=props["database"],
            url=props["url"],
            scripts=tuple(props["scripts"]),
            command=_command(props.get("command")),
            env=props["env"],
            secret_values=hidden(props),
            migrate=_command(props.get("migrate")),
        )
        seeds.run(host, joined(host, props), seed)
        return {}

    def exists(self, host: LocalSettings, props: Props) -> bool:
        return environment_databases.seed_state(host, props["database"]) == environment_databases.SEEDED


class DatabaseServerProvider(Provider):
    """Its data outlives pushes, sleep and restarts. A push makes sure that it runs before anything that uses it."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "title", "engine")
    updated_by: ClassVar[tuple[str, ...]] = ("generation", "memory_bytes")

    def make(self, host: LocalSettings, props: Props) -> Props:
        return self.outputs(environment_servers.start(host, _server(props)))

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        access = environment_servers.ensure(local_settings.load(news["root"]), _server(news))
        return UpdateResult({**olds, **self.record(news), **self.outputs(access)})

    def unmake(self, host: LocalSettings, props: Props) -> None:
        environment_servers.remove(host, _server(props))

    def exists(self, host: LocalSettings, props: Props) -> bool:
        server = _server(props)
        running = supervisor.info(host, str(server.program)).get("statename") in ("RUNNING", "STARTING")
        return running and environment_servers.answers(host, server)

    def outputs(self, access: ServerAccess) -> Props:
        return {"url": access.url, "made": access.version}


class MailCatcherProvider(DatabaseServerProvider):
    """As a database server: its messages outlive pushes and sleep."""

    updated_by: ClassVar[tuple[str, ...]] = ("generation",)

    def outputs(self, access: ServerAccess) -> Props:
        return {"port": access.port, "web_port": access.web_port}


def _server(props: Props) -> EnvironmentServer:
    return environment_servers.find(props["environment"], props["title"], props["engine"])


def _command(props: Props | None) -> tuple[str, int] | None:
    return (props["run"], int(props["timeout"])) if props else None

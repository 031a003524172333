"""Databases and their seeds."""

from __future__ import annotations

import uuid
from typing import ClassVar

from programs import steps
from programs.kit.database import environment_databases
from programs.steps import StepName
from programs.targets.local import seeds
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


def _command(props: Props | None) -> tuple[str, int] | None:
    return (props["run"], int(props["timeout"])) if props else None

"""Databases and what fills them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from programs.local import databases, seeds
from programs.local.seeds import Seed
from programs.local.settings import Settings
from programs.local.v1.base import Props, Provider, hidden, place


class DatabaseProvider(Provider):
    """``database`` is the name in the server; it changes with what the database is seeded from. ``made`` is another
    word each time it is made: what was given its password must be given the new one."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "database")

    def make(self, on: Settings, props: Props) -> Props:
        url = databases.create(on, props["environment"], props["database"], props.get("source", ""))
        return {"url": url, "made": uuid.uuid4().hex[:12]}

    def unmake(self, on: Settings, props: Props) -> None:
        databases.drop(on, [props["database"]])

    def exists(self, on: Settings, props: Props) -> bool:
        return any(item.name == props["database"] and item.kind == "DATABASE" for item in databases.owned(on))


class SeedProvider(Provider):
    """Once for each database, from the commit that was the newest then."""

    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment", "database")

    def make(self, on: Settings, props: Props) -> Props:
        command = props.get("command")
        seed = Seed(
            environment=props["environment"],
            title=props["title"],
            name=props["database"],
            url=props["url"],
            scripts=tuple(props["scripts"]),
            command=(command["run"], int(command["timeout"])) if command else None,
            env=props["env"],
            hidden=hidden(props),
        )
        seeds.run(on, place(on, props), seed)
        return {}

    def exists(self, on: Settings, props: Props) -> bool:
        return databases.state(on, props["database"]) == databases.SEEDED

"""Dynamic resources. Pulumi's state refers to their providers by name, so this module must never move."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from programs.kit import routes
from programs.kit.routes import RouteRecord
from programs.registry import ENVIRONMENT_INPUT

Props = dict[str, Any]
TARGET = "cloudrun"


class MarkProvider(ResourceProvider):
    """Whose the stack is, and which images it is about to run."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        moved = olds[ENVIRONMENT_INPUT] != news[ENVIRONMENT_INPUT]
        changed = any(olds.get(name) != value for name, value in news.items() if not name.startswith("__"))
        return DiffResult(changes=changed, replaces=[ENVIRONMENT_INPUT] if moved else [])

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props[ENVIRONMENT_INPUT], props)

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(news)


class Mark(Resource, module="eph", name="CloudRunMark"):
    def __init__(self, name: str, props: Props) -> None:
        super().__init__(MarkProvider(), name, props)


class AddressProvider(ResourceProvider):
    """Routes at Eph's gateway, written once the services serve the commit. Visitors reach Cloud Run itself; ephd checks
    through the gateway whether an environment responds."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        return DiffResult(changes=olds["generation"] != news["generation"] or olds["routes"] != news["routes"])

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props[ENVIRONMENT_INPUT], self._write(props))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(self._write(news))

    def read(self, id_: str, props: Props) -> ReadResult:
        hosts = {route.host for route in routes.list_of(Path(props["folder"]), id_, TARGET)}
        whole = hosts >= {route["host"] for route in props["routes"]}
        return ReadResult(id_, props) if whole else ReadResult("", {})

    def delete(self, id_: str, props: Props) -> None:
        routes.delete_of(Path(props["folder"]), id_, TARGET)

    def _write(self, props: Props) -> Props:
        folder, environment = Path(props["folder"]), props[ENVIRONMENT_INPUT]
        routes.delete_of(folder, environment, TARGET, keep=frozenset(item["host"] for item in props["routes"]))
        for item in props["routes"]:
            routes.write(folder, RouteRecord(**item, environment=environment, target=TARGET, sole=False))
        return {**props, "at": datetime.now(UTC).isoformat()}


class Address(Resource, module="eph", name="CloudRunAddress"):
    at: pulumi.Output[str]

    def __init__(self, name: str, props: Props, opts: pulumi.ResourceOptions) -> None:
        super().__init__(AddressProvider(), name, {**props, "at": None}, opts)

"""The dynamic provider. Pulumi's state refers to this class by name, so it must never move."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from . import environments

Props = dict[str, Any]


class FolderProvider(ResourceProvider):
    serialize_as_secret_always = False

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        return DiffResult(changes=any(olds[key] != news[key] for key in ("commit", "text", "host")))

    def create(self, props: Props) -> CreateResult:
        return CreateResult(props["environment"], self._build(props))

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(self._build(news))

    def read(self, id_: str, props: Props) -> ReadResult:
        there = id_ in environments.list_names(props["settings"])
        return ReadResult(id_, props) if there else ReadResult("", {})

    def delete(self, id_: str, props: Props) -> None:
        environments.remove(props["settings"], id_)

    def _build(self, props: Props) -> Props:
        settings, name = props["settings"], props["environment"]
        environments.write(settings, name, props["text"], int(props["port"]))
        environments.start(settings, name)
        environments.add_route(settings, name, props["host"], props["commit"])
        return {**props, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}


class Folder(Resource, module="eph", name="Folder"):
    at: pulumi.Output[str]

    def __init__(self, name: str, props: Props) -> None:
        super().__init__(FolderProvider(), name, {**props, "at": None})

"""Passwords that are generated once, waiting for workloads, and the environment's routes at the gateway."""

from __future__ import annotations

import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from programs.targets.kubernetes import gateway_routes, pre_destroy, scale_to_zero, shared_postgres
from programs.targets.kubernetes.api import cluster
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.observation import rollout_wait
from programs.targets.kubernetes.observation.rollout_wait import AwaitedWorkload
from programs.targets.kubernetes.settings import from_mapping

Props = dict[str, Any]


class _Provider(ResourceProvider):
    """A change of a property in ``replaced_by`` creates a replacement, ``beside`` the old resource or after deleting
    it; one in ``updated_by`` updates it in place. Others change freely."""

    serialize_as_secret_always = False
    replaced_by: ClassVar[tuple[str, ...]] = ()
    updated_by: ClassVar[tuple[str, ...]] = ()
    beside: ClassVar[bool] = False

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        replaces = [name for name in self.replaced_by if olds.get(name) != news.get(name)]
        updates = [name for name in self.updated_by if olds.get(name) != news.get(name)]
        changes = bool(replaces or updates)
        return DiffResult(changes=changes, replaces=replaces, delete_before_replace=not self.beside)

    def create(self, props: Props) -> CreateResult:
        outputs = self.make(props)
        return CreateResult("/".join(str(props[name]) for name in self.replaced_by) or "made", {**props, **outputs})

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        return UpdateResult({**olds, **news, **self.make(news)})

    def read(self, id_: str, props: Props) -> ReadResult:
        return ReadResult(id_, props)

    def make(self, _: Props) -> Props:
        raise NotImplementedError


class MarkProvider(_Provider):
    """The stack's environment and target, recorded before anything is created, so that a half-created stack has them,
    too."""

    replaced_by: ClassVar[tuple[str, ...]] = ("environment",)
    updated_by: ClassVar[tuple[str, ...]] = ("target", "pinned")

    def make(self, _: Props) -> Props:
        return {}


class PasswordProvider(_Provider):
    """Generated once and kept encrypted in the state. Changes only with the database it belongs to."""

    replaced_by: ClassVar[tuple[str, ...]] = ("of",)

    def make(self, _: Props) -> Props:
        return {"value": secrets.token_urlsafe(24)}


class ReadyProvider(_Provider):
    """Waits for a workload each time something was applied to it. ``generation`` changes with every build, ``uid`` when
    the workload was recreated."""

    replaced_by: ClassVar[tuple[str, ...]] = ("namespace", "kind", "name")
    updated_by: ClassVar[tuple[str, ...]] = ("generation", "uid")

    def make(self, props: Props) -> Props:
        wanted = AwaitedWorkload(
            namespace=props["namespace"],
            kind=props["kind"],
            name=props["name"],
            title=props["title"],
            timeout=float(props["seconds"]),
            images=dict(props.get("images") or {}),
        )
        found = cluster.connect(from_mapping(props["on"]))
        if not props.get("stopped"):
            scale_to_zero.restore_replicas(found, wanted.namespace, wanted.kind, wanted.name)
        rollout_wait.wait_until_ready(found, wanted)
        return {}


class DoorProvider(_Provider):
    """The route at the gateway, created once everything is ready."""

    replaced_by: ClassVar[tuple[str, ...]] = ("environment", "host")
    updated_by: ClassVar[tuple[str, ...]] = (
        "service",
        "commit",
        "sign_in",
        "upstream",
        "folder",
        "health",
        "sole",
        "allow",
        "paths",
    )

    def make(self, props: Props) -> Props:
        gateway_routes.write(
            Path(props["folder"]),
            gateway_routes.RouteRecord(
                host=props["host"],
                upstream=props["upstream"],
                environment=props["environment"],
                service=props["service"],
                commit=props["commit"],
                sign_in=bool(props["sign_in"]),
                health=str(props.get("health") or ""),
                allow=tuple(props.get("allow") or ()),
                sole=bool(props.get("sole")),  # its Ingress, if there is one, is another way to reach it
                asleep=bool(props.get("asleep")),
                paths=tuple(gateway_routes.PathRoute(**item) for item in props.get("paths") or ()),
            ),
        )
        return {}

    def delete(self, _id: str, props: Props) -> None:
        gateway_routes.remove(Path(props["folder"]), props["host"], props["environment"], props["service"])


class SharedDatabaseProvider(_Provider):
    """A database and its role on the shared server. A different seed gives a different database."""

    replaced_by: ClassVar[tuple[str, ...]] = ("environment", "database")
    beside: ClassVar[bool] = True

    def read(self, id_: str, props: Props) -> ReadResult:
        return (
            ReadResult(id_, props) if shared_postgres.exists(props["root"], props["database"]) else ReadResult("", {})
        )

    def make(self, props: Props) -> Props:
        return {"url": shared_postgres.create(props["root"], props["environment"], props["database"], props["source"])}

    def delete(self, _id: str, props: Props) -> None:
        shared_postgres.drop(props["root"], [props["database"]])


class LastWordsProvider(_Provider):
    """Runs when it is deleted, before anything else is removed: best effort, with a short timeout. Every build records
    the newest Job."""

    replaced_by: ClassVar[tuple[str, ...]] = ("namespace", "title")
    updated_by: ClassVar[tuple[str, ...]] = ("job",)

    def make(self, _: Props) -> Props:
        return {}

    def delete(self, _id: str, props: Props) -> None:
        try:
            found = cluster.connect(from_mapping(props["on"]))
            pre_destroy.run(found, props["namespace"], props["title"], json.loads(props["job"]))
        except KubernetesError as error:
            # Whatever is wrong, the environment is destroyed; the operation's log, which contains this, is deleted
            # last.
            sys.stderr.write(f"{error}\n")


class DoneProvider(_Provider):
    """Created after everything else: when this build was completed."""

    updated_by: ClassVar[tuple[str, ...]] = ("generation",)

    def make(self, _: Props) -> Props:
        return {"at": datetime.now(UTC).isoformat(timespec="milliseconds")}

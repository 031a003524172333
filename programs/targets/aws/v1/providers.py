"""Marks, passwords and snapshots that are chosen once, one-off tasks, and the moment when everything was completed."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, ClassVar

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from programs.kit.routes import RouteRecord
from programs.targets.aws import gateway_routes, settings
from programs.targets.aws.api import one_off_tasks
from programs.targets.aws.api.clients import AwsClients

Props = dict[str, Any]


class _Provider(ResourceProvider):
    """A change of a property in ``replaced_by`` creates a replacement, one in ``updated_by`` updates in place."""

    serialize_as_secret_always = False
    replaced_by: ClassVar[tuple[str, ...]] = ()
    updated_by: ClassVar[tuple[str, ...]] = ()

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        replaces = [name for name in self.replaced_by if olds.get(name) != news.get(name)]
        updates = [name for name in self.updated_by if olds.get(name) != news.get(name)]
        return DiffResult(changes=bool(replaces or updates), replaces=replaces)

    def create(self, props: Props) -> CreateResult:
        identity = "/".join(str(props[name]) for name in self.replaced_by) or "created"
        return CreateResult(identity, {**props, **self.make(props)})

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        return UpdateResult({**olds, **news, **self.make(news)})

    def read(self, id_: str, props: Props) -> ReadResult:
        return ReadResult(id_, props)

    def make(self, _: Props) -> Props:
        raise NotImplementedError


class MarkProvider(_Provider):
    """The stack's environment and target, recorded first, so that a half-created stack has them, too."""

    replaced_by: ClassVar[tuple[str, ...]] = ("environment",)
    updated_by: ClassVar[tuple[str, ...]] = ("target", "pinned")

    def make(self, _: Props) -> Props:
        return {}


class PasswordProvider(_Provider):
    """Generated once and kept encrypted in the state. Changes only with the database it belongs to."""

    replaced_by: ClassVar[tuple[str, ...]] = ("of",)

    def make(self, _: Props) -> Props:
        return {"value": secrets.token_urlsafe(24)}


class RestoredFromProvider(_Provider):
    """Which snapshot a database was restored from. Later builds find a newer one, which it doesn't have."""

    replaced_by: ClassVar[tuple[str, ...]] = ("of",)

    def make(self, props: Props) -> Props:
        return {"value": props["newest"]}


class OneOffTaskProvider(_Provider):
    """Runs a task to its end: a hook, a seed or a migration. It runs again when ``run`` changes."""

    updated_by: ClassVar[tuple[str, ...]] = ("run",)

    def make(self, props: Props) -> Props:
        request = one_off_tasks.TaskRequest(
            title=props["title"],
            cluster=props["cluster"],
            definition=props["definition"],
            subnets=tuple(props["subnets"]),
            security_group=props["security_group"],
            log_group=props["log_group"],
            timeout=float(props["timeout"]),
        )
        one_off_tasks.run(AwsClients(settings.from_mapping(props["settings"])), request)
        return {}


class LoadBalancerRouteProvider(_Provider):
    """A route from Eph's gateway to the load balancer, created once everything else is ready."""

    replaced_by: ClassVar[tuple[str, ...]] = ("environment", "host")
    updated_by: ClassVar[tuple[str, ...]] = ("service", "commit", "upstream", "folder", "health")

    def make(self, props: Props) -> Props:
        route = RouteRecord(
            host=props["host"],
            upstream=props["upstream"],
            environment=props["environment"],
            service=props["service"],
            commit=props["commit"],
            health=props["health"],
        )
        gateway_routes.write(props["folder"], route)
        return {}

    def read(self, id_: str, props: Props) -> ReadResult:
        found = any(route.host == props["host"] for route in gateway_routes.list_routes(props["folder"]))
        return ReadResult(id_, props) if found else ReadResult("", {})

    def delete(self, _id: str, props: Props) -> None:
        gateway_routes.remove(props["folder"], props["host"], props["environment"], props["service"])


class DoneProvider(_Provider):
    """Created after everything else: when this build was completed."""

    updated_by: ClassVar[tuple[str, ...]] = ("generation",)

    def make(self, _: Props) -> Props:
        return {"at": datetime.now(UTC).isoformat(timespec="milliseconds")}

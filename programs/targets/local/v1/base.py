"""What all providers of this target share: diffing by named properties, and reading the actual state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from programs.kit.build_cache import builds
from programs.kit.isolation import domains
from programs.kit.processes import sandbox
from programs.kit.processes.sandbox import Workspace
from programs.targets.local import settings
from programs.targets.local.settings import LocalSettings

Props = dict[str, Any]


class Provider(ResourceProvider):
    """A change of a property in ``replaced_by`` creates a replacement next to the old resource, one in ``updated_by``
    updates it in place. All other properties can change freely: they are needed only to create the resource, such as a
    Git host's password that is new every hour."""

    serialize_as_secret_always = False
    replaced_by: ClassVar[tuple[str, ...]] = ("root", "environment")
    updated_by: ClassVar[tuple[str, ...]] = ()
    kept: ClassVar[tuple[str, ...]] = ()

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        replaces = [name for name in self.replaced_by if olds.get(name) != news.get(name)]
        updates = [name for name in self.updated_by if olds.get(name) != news.get(name)]
        return DiffResult(changes=bool(replaces or updates), replaces=replaces)

    def create(self, props: Props) -> CreateResult:
        outputs = self.make(settings.load(props["root"]), props)
        identity = "/".join(str(props[name]) for name in self.replaced_by[1:])
        return CreateResult(identity, {**self.record(props), **outputs})

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        outputs = self.make(settings.load(news["root"]), news)
        return UpdateResult({**olds, **self.record(news), **outputs})

    def delete(self, _id: str, props: Props) -> None:
        self.unmake(settings.load(props["root"]), props)

    def read(self, id_: str, props: Props) -> ReadResult:
        if self.exists(settings.load(props["root"]), props):
            return ReadResult(id_, props)
        return ReadResult("", {})

    def record(self, props: Props) -> Props:
        """What the state records, and so all that a delete receives. Never contains environment variables."""
        named = {name: props[name] for name in (*self.replaced_by, *self.updated_by)}
        return {**named, **{name: props[name] for name in self.kept if name in props}}

    def make(self, host: LocalSettings, props: Props) -> Props:
        raise NotImplementedError

    def unmake(self, host: LocalSettings, props: Props) -> None:
        """Removes it. A missing resource counts as removed."""

    def exists(self, host: LocalSettings, props: Props) -> bool:
        return host.env(props["environment"]).exists()


def hidden(props: Props) -> tuple[str, ...]:
    """The values to redact from output: secrets, and the URLs of databases, which hooks before a destroy don't get."""
    return tuple(props["env"][name] for name in props.get("secrets", ()) if name in props["env"])


def place(host: LocalSettings, props: Props) -> Workspace:
    folder = host.env(props["environment"])
    checkout = folder / "src" / props["generation"]
    cache = builds.existing_cache(host, props["environment"], checkout)
    return Workspace(checkout=checkout, home=folder / "home", cache=cache)


def joined(host: LocalSettings, props: Props) -> Workspace:
    """As ``place``, with the environment's domain, which is created if it doesn't exist."""
    found = place(host, props)
    if sandbox.kind(host) == "none":
        return found
    return replace(found, domain=domains.ensure(host, props["environment"]))


def folder(host: LocalSettings, props: Props) -> Path:
    return host.env(props["environment"])

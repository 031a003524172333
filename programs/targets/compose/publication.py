"""What the program asks for: one commit of one environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from programs.kit import identifiers


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """A public service: where it listens, what must respond within ``deadline`` seconds, and its host name."""

    service: str
    port: int
    path: str
    deadline: int
    host: str


@dataclass(frozen=True, slots=True)
class ReplacedService:
    """A database in the place of a service: ``title`` is its name in eph.yaml, ``database`` the one on the server,
    ``source`` the server's database to clone. ``scripts`` are SQL files of the repository."""

    service: str
    title: str
    database: str
    variable: str
    source: str = ""
    scripts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Publication:
    """``variables`` may contain secrets; ``secrets`` names those. ``images`` are pinned, by name, and ``replaced`` is
    the repository that the compose file uses in their place."""

    name: str
    generation: str
    clone_url: str
    commit: str
    public: tuple[PublicRoute, ...]
    files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    sign_in: bool = False
    allow: tuple[str, ...] = ()
    asleep: bool = False
    databases: tuple[ReplacedService, ...] = ()

    @property
    def secret_values(self) -> tuple[str, ...]:
        return tuple(self.variables[name] for name in self.secrets)

    @property
    def ports(self) -> dict[str, int]:
        return {route.service: route.port for route in self.public}


def from_props(props: Mapping[str, Any]) -> Publication:
    """From the inputs of the resource. Pulumi passes numbers as floats."""
    routes = (
        PublicRoute(
            item["service"],
            int(item["port"]),
            item["path"],
            int(item["deadline"]),
            identifiers.check_host(item["host"]),
        )
        for item in props["public"]
    )
    return Publication(
        name=identifiers.check_label(props["environment"], "environment"),
        generation=props["generation"],
        clone_url=props["clone_url"],
        commit=identifiers.check_commit(props["commit"]),
        public=tuple(routes),
        files=tuple(props["files"]),
        profiles=tuple(props["profiles"]),
        variables=dict(props["variables"]),
        secrets=tuple(props["secrets"]),
        images=dict(props["images"]),
        replaced=dict(props["replaced"]),
        resources=dict(props["resources"]),
        sign_in=bool(props["sign_in"]),
        allow=tuple(props["allow"]),
        asleep=bool(props["asleep"]),
        databases=tuple(_replaced(item) for item in props.get("databases") or ()),
    )


def _replaced(item: Mapping[str, Any]) -> ReplacedService:
    """Pulumi drops what is empty."""
    return ReplacedService(
        str(item["service"]),
        str(item["title"]),
        str(item["database"]),
        str(item["variable"]),
        str(item.get("source") or ""),
        tuple(map(str, item.get("scripts") or ())),
    )

"""Tables of eph.toml: their value types, the error for a wrong value, and the base class of a target's table.

Targets, Git hosts, backends and executors declare their tables with it, and the server's settings are assembled from
what they declare. So ``[NAME]`` and ``EPH_NAME__SETTING`` work for every installed target, and the reference page lists
them. A target's methods receive plain strings (``to_mapping``), because an operation runs in its own process.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr
from pydantic_settings import NoDecode

from programs import wording
from programs.quoting import quote

MAX_KEY = 20
TEMPLATES_DESCRIPTION = (
    "Prepared databases on that PostgreSQL server that any repository can clone, each as name=database."
)


class InvalidValue(ValueError):
    """An invalid value: what is wrong with it, and what to write instead. ``path`` points to a value inside it."""

    def __init__(self, message: str, expected: str = "", path: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{message}; {expected}" if expected else message)
        self.message = message
        self.expected = expected
        self.path = path


class SettingsTable(BaseModel):
    """A table of eph.toml. The description of each field becomes its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _split_commas(value: Any) -> Any:
    return tuple(item.strip() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


CommaSeparated = (NoDecode, BeforeValidator(_split_commas))
"""Lets an environment variable contain a list: ``EPH_FORGE__REPOSITORIES=acme/shop,acme/pay``."""
StringList = Annotated[tuple[str, ...], *CommaSeparated]


@dataclass(frozen=True, slots=True)
class MachineTools:
    """What a repository's commands can use on this machine: additional readable folders, their PATH, the operator's
    variables and the file of certificate authorities that they trust. ``cache_bytes`` and ``cache_days`` bound the
    build caches. ``build_limit`` is the maximum number of concurrent builds, 0 for one per CPU, which all targets
    count in the folder ``build_slots``; builds leave ``build_spare`` bytes of memory free. ``toolchains``: whether
    languages are looked for beside the PATH. ``proxy``: the HTTP proxy through which the machine reaches the
    internet."""

    toolbox: tuple[str, ...] = ()
    path: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""
    cache_bytes: int | None = None
    cache_days: int | None = None
    build_limit: int = 0
    build_slots: Path | None = None
    build_spare: int = 0
    toolchains: str = ""
    proxy: str = ""

    def to_mapping(self) -> dict[str, str]:
        """In the form that ``programs.kit.host_settings`` reads."""
        return {
            "toolbox": os.pathsep.join(self.toolbox),
            "path": self.path,
            "env": as_text(dict(self.variables)),
            "ca_file": self.ca_file,
            "cache_bytes": as_text(self.cache_bytes),
            "cache_days": as_text(self.cache_days),
            "build_limit": str(self.build_limit),
            "build_slots": as_text(self.build_slots),
            "build_spare": str(self.build_spare),
            "toolchains": self.toolchains,
            "machine_proxy": self.proxy,
        }


@dataclass(frozen=True, slots=True)
class ServerContext:
    """What a target's settings may refer to. ``server_id`` distinguishes servers of the same name.

    ``private_folder`` is the target's folder in this replica's home, ``shared_folder`` the one that all replicas share.
    ``routes`` is the folder of the gateway's routes. ``tools`` are those that the default target grants.
    """

    server_id: str
    private_folder: Path
    shared_folder: Path
    routes: Path
    url_template: str
    tools: MachineTools = MachineTools()


class TargetSettings(SettingsTable):
    """A target's table of eph.toml. This one is for a target without settings."""

    def to_mapping(self, server: ServerContext) -> dict[str, str]:
        """The settings that the target's methods receive. May contain secrets."""
        fields = {name: as_text(value) for name, value in self}
        return {
            "root": str(server.private_folder),
            "server": server.server_id,
            "routes": str(server.routes),
            **fields,
            "url": server.url_template,
        }

    def may_have_environments(self, server: ServerContext) -> bool:  # noqa: ARG002 - for those that look
        """Whether environments may exist on a target that is no longer allowed. They must still be destroyed."""
        return self != type(self)()

    def template_names(self) -> frozenset[str]:
        """The prepared databases that an eph.yaml can name."""
        return frozenset()

    def image_registries(self) -> tuple[str, ...]:
        """The allowed prefixes of images; empty allows all."""
        return ()

    def probe_url(self) -> str:
        """The address at which ephd checks that previews respond, if that isn't the gateway's own."""
        return ""

    def wakes_on_request(self) -> bool:
        """Whether every request to its environments passes the gateway, so that one that sleeps can wait for it."""
        return False

    def label_deploy_obstacle(self) -> str:
        """If requests reach its environments without passing the gateway, what to do about that. Such a target has no
        label deploys, because nothing would stop serving one the moment it expires."""
        return ""

    def machine_folder(self, server: ServerContext) -> Path | None:  # noqa: ARG002 - for those that have one
        """A folder whose processes run on one machine. Replicas on other machines must not use it."""
        return None

    def machine_tools(self) -> MachineTools:
        return MachineTools()


def as_text(value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return value.get_secret_value()
        case tuple():
            return ",".join(map(str, value))
        case dict():
            return json.dumps(value) if value else ""
        case _:
            return str(value)


def _variables(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name) or name in _FIXED_VARIABLES:
            raise InvalidValue(wording.variable_not_allowed(quote(name)), wording.VARIABLE_EXAMPLE)
    return value


_FIXED_VARIABLES = ("HOME", "PATH", "PORT", "TMPDIR")
PreviewVariables = Annotated[dict[str, str], AfterValidator(_variables)]
"""Variables that the operator sets for everything that runs in previews."""


def _template_database(value: str) -> str:
    name, _, database = value.partition("=")
    if not (re.fullmatch(r"[a-z][a-z0-9-]{0,29}", name) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", database)):
        raise InvalidValue(wording.invalid_template_database(quote(value)), wording.TEMPLATE_DATABASE_EXAMPLE)
    return value


TemplateDatabases = Annotated[tuple[Annotated[str, AfterValidator(_template_database)], ...], *CommaSeparated]


def template_names(items: Iterable[str]) -> frozenset[str]:
    return frozenset(item.partition("=")[0] for item in items)

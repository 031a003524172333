"""The contract between Eph and a program: what one environment consists of, and what the program returns.

Everything here is a frozen value of plain types that survives a round trip through JSON, because an operation runs in
its own process and reads its spec from a line of JSON. Two specs with the same ``digest`` build the same environment.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_TARGET = "local"
"""The target of a server or a stack that doesn't name one."""
POSTGRESQL = "postgresql"
"""The engine of a database that doesn't name one."""


@dataclass(frozen=True, slots=True)
class GitSource:
    """The commit to build. ``clone_url`` is a URL or a path that git can read."""

    clone_url: str
    commit: str
    ref: str


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A shell command of the repository and its timeout in seconds."""

    run: str
    timeout: int = 600


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A service must respond with 2xx or 3xx on ``path`` within ``deadline`` seconds. Eph then follows redirects at the
    gateway: they must stay within the environment and end in 2xx. Without a path it must only keep running."""

    path: str = "/healthz"
    deadline: int = 300


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service. ``public`` services get a host name; the others are reached by other services through variables.

    Every other service of the environment receives ``<NAME>_URL`` (upper case, underscores for dashes). For targets
    with images: ``image`` names one of the environment's images, ``port`` is where it listens (a service that is
    neither public nor has a port is a worker), ``schedule`` makes it a cron job, ``after`` names services that must be
    ready before it starts, ``volumes`` maps paths to sizes (a relative path is in the checkout), and ``resources``
    limits its ``cpu`` and ``memory``.
    """

    name: str
    command: str
    public: bool = True
    health: HealthCheck = HealthCheck()
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    port: int = 0
    schedule: str = ""
    after: tuple[str, ...] = ()
    volumes: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """One database, passed to builds, migrations and services as the variable ``variable`` (a URL). ``source`` is the
    server's name of the database to clone. ``migrate_first``: the migrations also run before the seed. One with another
    ``engine`` is a server of the environment's own, without a seed."""

    name: str
    version: str = "15"
    variable: str = "DATABASE_URL"
    strategy: str = "empty"
    scripts: tuple[str, ...] = ()
    seed: CommandSpec | None = None
    migrate: CommandSpec | None = None
    source: str = ""
    migrate_first: bool = False
    engine: str = POSTGRESQL


@dataclass(frozen=True, slots=True)
class SuiteSpec:
    """Tests of the repository, run against the ready environment. They aren't part of the build, so not of its digest.

    ``junit`` is the path of the report in the checkout, ``artifacts`` that of the folder for screenshots. ``needs``
    names suites that must pass first. ``token``: if the environment requires sign-in, the suite may receive the preview
    token.
    """

    name: str
    command: CommandSpec
    kind: str = "integration"
    env: Mapping[str, str] = field(default_factory=dict)
    junit: str = ""
    blocking: bool = True
    needs: tuple[str, ...] = ()
    token: bool = True
    artifacts: str = ""


@dataclass(frozen=True, slots=True)
class LifecycleHooks:
    """The repository's commands that run when an environment is created and destroyed."""

    pre_create: tuple[CommandSpec, ...] = ()
    post_create: tuple[CommandSpec, ...] = ()
    pre_destroy: tuple[CommandSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Secret:
    """One of the server's secrets. ``mark`` changes with the value and reveals nothing about it.

    ``value`` is present only in the spec that an operation receives. It isn't part of a digest, and no text shows it.
    """

    name: str
    mark: str
    value: str = field(default="", repr=False)


MACHINE_SETTINGS = (
    "cache_bytes",
    "cache_days",
    "build_limit",
    "build_slots",
    "build_spare",
    "toolchains",
    "machine_proxy",
    "suite_first_uid",
)
"""Settings that say how builds and suites use the machine, not what is built."""
_SERVER_SETTINGS = ("server_memory_bytes", "redis_image", "redis_user", "mysql_image", "mysql_user")
_MAIL_SETTINGS = ("mail_image", "mail_user")
_LATER_FIELDS = (
    "sign_in",
    "allow",
    "manifests",
    "resources",
    "values",
    "values_files",
    "secrets",
    "options",
    "replaced_images",
    "optional_images",
    "mail",
)

_NOT_BUILT = ("marks", "found", "images", "asleep", "approved", "repository", "from_fork", "read_only_cache")
"""Fields that aren't part of the digest. Images are added to it separately."""


@dataclass(frozen=True, slots=True)
class EnvironmentSpec:
    """One environment: its name, its parts, and the marks that every resource of it carries.

    ``host`` is the environment's host name without a port (``shop-gentle-stream-42.localhost``); further public
    services get ``<service>--<host>``. ``settings`` come from the server, never from the repository, and say where the
    target keeps its data. ``sign_in``: its host names require people to sign in; ``allow``: only these. ``images`` maps
    names to references pinned to a digest; ``found`` says for each how it was found, for people. ``replaced_images``
    names for some the repository that the manifests use in its place. ``optional_images`` need not run: only services
    that labels turned off name them. ``manifests`` are files or folders of the repository. ``resources`` limits the
    total ``cpu``, ``memory`` and ``disk``. ``values`` (by dotted path) and ``values_files`` are passed to Helm charts
    among the manifests. ``secrets`` maps variables to secrets, for everything that receives ``env``. ``options`` is the
    part of the target's section of eph.yaml that sets no other field. ``mail``: it has a mail catcher. ``asleep``:
    nothing is started; the first request does that. ``approved``: a person approved this commit. ``repository`` is its
    ID at the Git host, whatever its name in eph.yaml. ``from_fork``: the commit isn't the repository's own, so its
    build must not change what other environments use. ``read_only_cache``: its build starts with the repository's cache
    and never saves one. These five say how an update runs, not what is built, so they aren't part of the digest.
    """

    name: str
    host: str
    target: str
    project: str
    source: GitSource
    services: tuple[ServiceSpec, ...]
    databases: tuple[DatabaseSpec, ...] = ()
    build: CommandSpec | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    hooks: LifecycleHooks = LifecycleHooks()
    marks: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    sign_in: bool = False
    allow: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    manifests: tuple[str, ...] = ()
    resources: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    values_files: tuple[str, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    replaced_images: Mapping[str, str] = field(default_factory=dict)
    optional_images: tuple[str, ...] = ()
    mail: bool = False
    asleep: bool = False
    approved: bool = False
    repository: str = ""
    from_fork: bool = False
    read_only_cache: bool = False

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> EnvironmentSpec:
        return EnvironmentSpec(
            name=data["name"],
            host=data["host"],
            target=data["target"],
            project=data["project"],
            source=GitSource(**data["source"]),
            services=tuple(_load_service(item) for item in data["services"]),
            databases=tuple(_load_database(item) for item in data["databases"]),
            build=_load_command(data["build"]),
            env=dict(data["env"]),
            hooks=LifecycleHooks(
                **{key: tuple(CommandSpec(**item) for item in value) for key, value in data["hooks"].items()}
            ),
            marks=dict(data["marks"]),
            settings=dict(data["settings"]),
            sign_in=data.get("sign_in", False),
            allow=tuple(data.get("allow", ())),
            images=dict(data.get("images", {})),
            manifests=tuple(data.get("manifests", ())),
            resources=dict(data.get("resources", {})),
            values=dict(data.get("values", {})),
            values_files=tuple(data.get("values_files", ())),
            found=dict(data.get("found", {})),
            secrets={variable: Secret(**item) for variable, item in data.get("secrets", {}).items()},
            options=dict(data.get("options", {})),
            replaced_images=dict(data.get("replaced_images", {})),
            optional_images=tuple(data.get("optional_images", ())),
            mail=data.get("mail", False),
            asleep=data.get("asleep", False),
            approved=data.get("approved", False),
            repository=data.get("repository", ""),
            from_fork=data.get("from_fork", False),
            read_only_cache=data.get("read_only_cache", False),
        )

    @property
    def secret_values(self) -> dict[str, str]:
        """Secret values by variable."""
        return {variable: item.value for variable, item in self.secrets.items()}

    @property
    def postgres_databases(self) -> tuple[DatabaseSpec, ...]:
        return tuple(item for item in self.databases if item.engine == POSTGRESQL)

    @property
    def database_servers(self) -> tuple[DatabaseSpec, ...]:
        """Those that are servers of the environment's own."""
        return tuple(item for item in self.databases if item.engine != POSTGRESQL)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change if the environment would be built differently. Marks don't count."""
        data = self.to_json()
        for aside in _NOT_BUILT:
            del data[aside]
        without_effect = (() if self.database_servers else _SERVER_SETTINGS) + (() if self.mail else _MAIL_SETTINGS)
        for aside in MACHINE_SETTINGS + without_effect:
            data["settings"].pop(aside, None)
        # Keeps the digest of environments that were built before these fields existed.
        _drop_unset(data, _LATER_FIELDS)
        for secret in data.get("secrets", {}).values():
            del secret["value"]
        for service in data["services"]:
            _drop_unset(service, ("image", "port", "schedule", "after", "volumes", "resources"))
        for database in data["databases"]:
            _drop_unset(database, ("source", "migrate_first"))
            if database["engine"] == POSTGRESQL:
                del database["engine"]
        return digest_with_images(_hash(data), self.images)


def digest_with_images(digest: str, images: Mapping[str, str]) -> str:
    """The digest of a spec, computed from the digest of the same spec without images. Comparing thousands of specs then
    hashes each of them once."""
    return _hash([digest, dict(images)]) if images else digest


@dataclass(frozen=True, slots=True)
class Outputs:
    """What every target returns, in one shape (T7). ``database_urls`` is secret."""

    url: str
    urls: Mapping[str, str]
    database_urls: Mapping[str, str]
    logs: str
    inspect: tuple[str, ...] = ()


def _hash(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


def _drop_unset(data: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if not data[name]:
            del data[name]


def _load_command(data: Mapping[str, Any] | None) -> CommandSpec | None:
    return None if data is None else CommandSpec(**data)


def _load_service(data: Mapping[str, Any]) -> ServiceSpec:
    fields = {**data, "health": HealthCheck(**data["health"]), "env": dict(data["env"])}
    fields["after"] = tuple(data.get("after", ()))
    return ServiceSpec(**{**fields, **{key: dict(data.get(key, {})) for key in ("volumes", "resources")}})


def _load_database(data: Mapping[str, Any]) -> DatabaseSpec:
    fields = {**data, "scripts": tuple(data["scripts"])}
    return DatabaseSpec(**{**fields, "seed": _load_command(data["seed"]), "migrate": _load_command(data["migrate"])})

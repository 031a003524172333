"""What runs: services, how they are built and tested, and hooks."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue

from orchestrator.config import wording
from programs.eph_yaml.durations import Duration
from programs.eph_yaml.field_types import (
    CommandConfig,
    Cpu,
    Env,
    Memory,
    Name,
    RepositoryPath,
    Section,
    ShellCommand,
    UrlPath,
    matches,
)
from programs.kit.cron import schedule
from programs.kit.cron.schedule import InvalidSchedule
from programs.quoting import quote
from programs.settings import InvalidValue

_CRON = r"^[0-9A-Za-z*/,-]+( [0-9A-Za-z*/,-]+){4}$"
_MOUNT = r"^/?[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"
_RESERVED_MOUNTS = ("/dev", "/proc", "/sys", "/etc", "/bin", "/lib", "/lib64", "/sbin", "/usr", "/var/run/secrets")
"""Paths where a volume would hide files of the image or the cluster."""


def _mount(value: str) -> str:
    parts = value.split("/")
    if not re.fullmatch(_MOUNT, value) or len(value) > 200 or {".", ".."} & set(parts) or parts[0] == ".git":
        raise InvalidValue(wording.sections.invalid_volume(quote(value)), wording.sections.VOLUME_EXAMPLE)
    taken = [place for place in _RESERVED_MOUNTS if f"{value}/".startswith(f"{place}/")]
    if taken:
        raise InvalidValue(wording.sections.volume_hides(quote(value), taken[0]), wording.sections.USE_OTHER_VOLUME)
    return value


def _times(value: str) -> str:
    try:
        schedule.parse(value)
    except InvalidSchedule as error:
        message = wording.sections.invalid_schedule(quote(value), error.field, quote(error.part) if error.part else "")
        raise InvalidValue(message, wording.sections.CRON_EXAMPLE) from error
    return value


Cron = Annotated[
    str,
    matches(_CRON, "a schedule", wording.sections.CRON_EXAMPLE),
    AfterValidator(_times),
    WithJsonSchema({"type": "string", "pattern": _CRON}),
]
MountPath = Annotated[str, AfterValidator(_mount), WithJsonSchema({"type": "string", "pattern": _MOUNT})]


class HealthCheckConfig(Section):
    """How to tell that a service is ready. Short form: `none`, for a worker."""

    path: UrlPath = Field(
        default="/healthz",
        description="The path of the health check. Ready means a 2xx response, or a redirect within the environment "
        "that ends in one.",
    )
    deadline: Duration = Field(
        default=timedelta(minutes=5), description="How long it may take until the first such response."
    )
    enabled: bool = Field(
        default=True,
        description="false, or `health: none`: it is ready when it keeps running. Not for a public service.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"enabled": False} if value == "none" else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> JsonSchemaValue:
        """Allows `none` in place of the mapping."""
        mapping = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"const": "none"}, mapping], "description": mapping["description"]}


class ServiceResources(Section):
    """The most that one service may use."""

    cpu: Cpu | None = Field(default=None, description="CPU in cores (2) or thousandths (500m).")
    memory: Memory | None = Field(
        default=None, description="Memory, such as 512Mi or 2Gi. A process that uses more is killed."
    )


class ServiceConfig(Section):
    """A process, or on targets that run images a workload."""

    name: Name = Field(description="The service's name; other services find its URL in the variable <NAME>_URL.")
    command: ShellCommand | None = Field(
        default=None,
        description="The command that starts it. It must listen on 127.0.0.1 and the port in the variable PORT.",
    )
    image: Name | None = Field(default=None, description="The name of one of environment.images.")
    port: int | None = Field(default=None, ge=1, le=65535, description="The port that the image listens on.")
    public: bool = Field(
        default=True,
        description="true: it gets a host name. false: only the environment's other services can reach it.",
    )
    health: HealthCheckConfig = Field(
        default=HealthCheckConfig(), description="The health check that decides when it is ready."
    )
    env: Env = Field(default={}, description="Variables for this service only; they override environment.env.")
    after: tuple[Name, ...] = Field(default=(), description="Services that must be ready before it starts.")
    schedule: Cron | None = Field(
        default=None, description="A cron schedule (five fields, UTC); the service runs only then and is never public."
    )
    volumes: dict[MountPath, Memory] = Field(
        default={},
        max_length=5,
        description="Volumes for files that survive a restart, as path: size. A relative path is in the checkout, "
        "if the target runs one.",
    )
    resources: ServiceResources | None = Field(
        default=None, description="The most resources that this service may use."
    )

    @model_validator(mode="before")
    @classmethod
    def _scheduled_is_private(cls, value: Any) -> Any:
        """A scheduled service can't be reached, so `public` may be omitted."""
        scheduled = isinstance(value, dict) and value.get("schedule") is not None
        return {"public": False, **value} if scheduled else value

    @model_validator(mode="after")
    def _check_runnable(self) -> ServiceConfig:
        if self.command is None and self.image is None:
            raise InvalidValue(wording.sections.NOTHING_TO_RUN, wording.sections.ADD_COMMAND)
        if self.schedule and self.public:
            raise InvalidValue(
                wording.sections.SCHEDULED_AND_PUBLIC, wording.sections.REMOVE_PUBLIC_OR_SCHEDULE, ("public",)
            )
        if self.public and not self.health.enabled:
            raise InvalidValue(wording.sections.PUBLIC_WITHOUT_HEALTH, wording.sections.REMOVE_HEALTH, ("health",))
        if self.schedule and self.port:
            raise InvalidValue(
                wording.sections.SCHEDULED_WITH_PORT, wording.sections.REMOVE_PORT_OR_SCHEDULE, ("port",)
            )
        return self


class SuiteConfig(Section):
    """A named suite of tests, run against the ready environment with its URL in PREVIEW_URL. Exit status 77 skips."""

    name: Name = Field(description="The suite's name in the results.")
    command: ShellCommand = Field(description="A shell command, run in the root of the checkout.")
    timeout: Duration = Field(default=timedelta(minutes=10), description="The timeout.")
    kind: Literal["integration", "browser", "security"] = Field(default="integration", description="The kind of tests.")
    env: Env = Field(default={}, description="Variables for this suite only; they override environment.env.")
    junit: RepositoryPath | None = Field(
        default=None, description="Where it writes its JUnit XML report; counts and failed cases are shown as a table."
    )
    artifacts: RepositoryPath = Field(
        default="test-results", description="The folder where it writes screenshots, shown on the dashboard."
    )
    blocking: bool = Field(default=True, description="Whether its failure fails the commit's check.")
    needs: tuple[Name, ...] = Field(
        default=(), description="Suites above it that must pass; otherwise it is skipped. Suites run one at a time."
    )


class HooksConfig(Section):
    """The repository's own commands around the life of an environment."""

    pre_create: tuple[CommandConfig, ...] = Field(
        default=(), description="Runs before the services start for the first time."
    )
    post_create: tuple[CommandConfig, ...] = Field(
        default=(), description="Runs after the services are ready for the first time."
    )
    pre_destroy: tuple[CommandConfig, ...] = Field(
        default=(), description="Runs before the environment is destroyed; it may fail."
    )

"""The environment itself: its name, its lifetime, its content and who can access it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from orchestrator.config import wording
from orchestrator.config.eph_yaml.models.images_section import ImageConfig
from orchestrator.core.sleep import schedules
from programs.eph_yaml.durations import Duration
from programs.eph_yaml.field_types import (
    Cpu,
    Env,
    Memory,
    Section,
    Template,
    Text,
    VariableName,
    matches,
)
from programs.eph_yaml.templates import parse_template, placeholders
from programs.quoting import quote
from programs.settings import InvalidValue

DEFAULT_NAME = "{project}-{words}-{number}"
_LITERAL = re.compile(r"[a-z0-9-]*")
_DOMAIN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"
_HOURS = r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))? [0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$"


def _host_label(value: str) -> str:
    """Host names consist of letters, digits and dashes, and don't change with a push."""
    for part in parse_template(value):
        if isinstance(part, str) and not _LITERAL.fullmatch(part):
            raise InvalidValue(wording.sections.not_in_host_name(quote(part)), wording.sections.HOST_NAME_CHARACTERS)
    if "commit_sha" in (part.name for part in placeholders(value)):
        raise InvalidValue(wording.sections.COMMIT_IN_NAME, wording.sections.REMOVE_COMMIT)
    return value


def _name_template(value: str) -> str:
    """Names can't be guessed and are unique per pull request (Y3), so they contain the words and the number in full."""
    whole = {part.name for part in placeholders(_host_label(value)) if part.is_whole}
    if "words" not in whole:
        raise InvalidValue(wording.sections.WORDS_MISSING, wording.sections.for_example(DEFAULT_NAME))
    if not whole & {"number", "pr_number"}:
        raise InvalidValue(wording.sections.NUMBER_MISSING, wording.sections.for_example(DEFAULT_NAME))
    return value


def _timezone(value: str) -> str:
    try:
        schedules.parse(value, ())
    except ValueError as error:
        raise InvalidValue(str(error), wording.sections.TIME_ZONE_EXAMPLE) from None
    return value


def _hours(value: str) -> str:
    try:
        schedules.parse("UTC", (value,))
    except ValueError as error:
        raise InvalidValue(str(error), wording.sections.HOURS_EXAMPLE) from None
    return value


_TEMPLATE_SCHEMA = WithJsonSchema({"type": "string", "examples": [DEFAULT_NAME]})
NameTemplate = Annotated[Template, AfterValidator(_name_template), _TEMPLATE_SCHEMA]
HostTemplate = Annotated[Template, AfterValidator(_host_label), _TEMPLATE_SCHEMA]
Zone = Annotated[Text, AfterValidator(_timezone)]
Domain = Annotated[
    str,
    matches(_DOMAIN, "a domain", wording.sections.DOMAIN_EXAMPLE),
    WithJsonSchema({"type": "string", "pattern": _DOMAIN}),
]
Hours = Annotated[
    str,
    matches(_HOURS, wording.sections.SPAN_OF_HOURS, wording.sections.HOURS_EXAMPLE),
    AfterValidator(_hours),
    WithJsonSchema({"type": "string", "pattern": _HOURS}),
]


class EnvironmentResources(Section):
    """The most that the environment's services may use together."""

    cpu: Cpu | None = Field(default=None, description="CPU in cores (2) or thousandths (500m).")
    memory: Memory | None = Field(default=None, description="Memory, such as 512Mi or 2Gi.")
    disk: Memory | None = Field(default=None, description="Disk, such as 5Gi.")


class ProtectionConfig(Section):
    """Who may open the URL."""

    sign_in: Literal["none", "required"] = Field(default="required", description="Whether visitors must sign in.")
    allow: tuple[Text, ...] = Field(
        default=(),
        max_length=100,
        description="The only people with access: their names at the identity provider, and groups as @group. "
        "Default: everyone who can sign in.",
    )
    token_for_tests: bool = Field(default=True, description="Give tests access with a token.")


class ScheduleConfig(Section):
    """Office hours: outside of them the environment sleeps."""

    timezone: Zone = Field(default="UTC", description="The time zone of the schedule, such as Europe/Berlin.")
    awake: tuple[Hours, ...] = Field(
        min_length=1,
        max_length=20,
        description="Time spans such as Mon-Fri 08:00-19:00; a span can end on the next day.",
    )


class DnsConfig(Section):
    """Where the environment's host name lives."""

    domain: Domain = Field(description="The domain of the host name; the server must allow it.")


class EnvironmentConfig(Section):
    """The environment: name, life, content, protection."""

    name_template: NameTemplate = Field(
        default=DEFAULT_NAME,
        description=(
            "The environment's name. Must contain {words}, which can't be guessed, and {number} or {pr_number}."
        ),
    )
    alias_template: HostTemplate | None = Field(
        default=None,
        description="A second, readable host name that redirects to the first one, such as shop-pr-{number}.",
    )
    ttl: Duration | None = Field(
        default=None,
        description="How long it lives, counted from when Eph first saw the newest commit. Default: set by the server.",
    )
    idle_timeout: Duration | None = Field(
        default=None, description="How long without a visit until it is idle. Default: set by the server."
    )
    on_idle: Literal["sleep", "destroy"] = Field(
        default="sleep", description="What happens when it is idle. Sleeping keeps all its data; a visit wakes it."
    )
    images: tuple[ImageConfig, ...] = Field(default=(), description="The container images, and where to find them.")
    env: Env = Field(default={}, description="Variables for builds, migrations and all services. Not for secrets.")
    secrets: dict[VariableName, Text] = Field(
        default={}, description="Variables with values from the server's secret store, as variable: secret name."
    )
    resources: EnvironmentResources | None = Field(default=None, description="The most resources it may use.")
    protection: ProtectionConfig | None = Field(default=None, description="Who can open its URL.")
    schedule: ScheduleConfig | None = Field(default=None, description="Office hours.")
    bar: bool = Field(
        default=False,
        description="Show a bar on the environment's pages, with its commit, its expiry and links to its logs.",
    )
    dns: DnsConfig | None = Field(default=None, description="Its host name.")

"""The groups of the server's settings. What may hold a secret is never repeated in an error."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from orchestrator.config.settings.setting_types import (
    DurationSetting,
    Networks,
)
from orchestrator.forges.settings import Repositories
from programs.settings import InvalidValue, SettingsTable, StringList
from programs.spec import DEFAULT_TARGET


class TtlSettings(SettingsTable):
    """How long environments live, from the first sight of their newest commit."""

    default: DurationSetting = Field(default=timedelta(hours=72), description="For an eph.yaml that does not say.")
    most: DurationSetting = Field(default=timedelta(days=30), description="The longest that an eph.yaml may ask for.")

    warning: DurationSetting = Field(
        default=timedelta(hours=4), description="How long before the end people are warned; at most a quarter of all."
    )

    @model_validator(mode="after")
    def _check_order(self) -> TtlSettings:
        if self.default > self.most:
            raise InvalidValue("the default is longer than the most", "lower it, or raise ttl.most", ("default",))
        return self


class IdleSettings(SettingsTable):
    """Previews that nobody uses."""

    timeout: DurationSetting | None = Field(
        default=None,
        description="After how long without a visit they sleep, for an eph.yaml that does not say. Empty: never.",
    )
    awake: DurationSetting = Field(
        default=timedelta(hours=1), description="How long one stays awake that somebody woke outside of its hours."
    )


class LimitsSettings(SettingsTable):
    """How much of everything there may be; what is over waits in the queue or is refused with a reason."""

    environments: int = Field(default=50, ge=1, description="Environments in all.")
    per_repository: int = Field(default=20, ge=1, description="Environments of one repository.")
    refs: int = Field(default=20, ge=0, le=500, description="Branches and tags of one repository that are looked at.")
    concurrent: int = Field(default=4, ge=1, le=64, description="Operations at once, of any kind.")
    concurrent_destroys: int = Field(default=2, ge=1, le=64, description="Of which destroys while creations wait.")
    spare_memory: int = Field(
        default=256,
        ge=0,
        description="Megabytes that stay free: with less, fewer operations run at once. 0: memory bounds nothing.",
    )
    suites: int = Field(default=2, ge=1, le=64, description="Suites of tests at once, over all environments.")
    services: int = Field(default=10, ge=1, description="Services of one environment.")
    public_services: int = Field(default=5, ge=1, description="Services of one environment with a host name.")
    databases: int = Field(default=3, ge=0, description="Databases of one environment.")
    command: DurationSetting = Field(default=timedelta(minutes=30), description="The longest timeout of a command.")
    health: DurationSetting = Field(
        default=timedelta(minutes=15), description="The longest deadline of a health check."
    )
    file_bytes: int = Field(default=65536, ge=1024, le=1048576, description="The largest eph.yaml, in bytes.")


class TargetsSettings(SettingsTable):
    """What environments may be made of."""

    allowed: StringList = Field(
        default=(DEFAULT_TARGET,), min_length=1, description="The targets that an eph.yaml may name."
    )
    default: str = Field(default=DEFAULT_TARGET, description="The target of an eph.yaml that names none.")

    @model_validator(mode="after")
    def _check_default(self) -> TargetsSettings:
        if self.default not in self.allowed:
            raise InvalidValue("the default target is not among the allowed ones", "add it to allowed", ("default",))
        return self


class LedgerSettings(SettingsTable):
    """The event log."""

    keep: DurationSetting = Field(
        default=timedelta(days=90), description="How long events stay; the newest of each environment always does."
    )


class ForksSettings(SettingsTable):
    """Pull requests that come from a fork. Whatever is set here, nothing of one runs because of its label alone."""

    allow: Literal["refuse", "approve"] = Field(
        default="approve",
        description="refuse: nothing of a fork ever runs. approve: a commit runs once somebody with write access "
        "approved that very one.",
    )
    guarded: Literal["refuse", "approve"] = Field(
        default="approve",
        description="The same for targets that run only what people with write access pushed.",
    )


class ReplicasSettings(SettingsTable):
    """Several ephd for the same repositories: one leads, and another takes over when it dies."""

    lease: Literal["none", "postgres"] = Field(
        default="none",
        description="none: this ephd is the only one. postgres: several share ledger_url's PostgreSQL, and one leads.",
    )
    shared: Path | None = Field(
        default=None,
        description="The folder that all replicas share: stacks, keys, records, previews. Each has a home of its own.",
    )
    url: str = Field(
        default="", description="Where the other replicas reach this one's API. Empty: http:// and what listen says."
    )

    @model_validator(mode="after")
    def _check_reachable(self) -> ReplicasSettings:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise InvalidValue("this is not a URL", "write for example http://eph-1.internal:8081", ("url",))
        if self.lease == "postgres" and self.shared is None:
            raise InvalidValue(
                "several replicas need a folder that all of them share",
                "set replicas.shared to it, and give each replica a home of its own",
                ("shared",),
            )
        return self


class PreviewsSettings(SettingsTable):
    """The door in front of previews."""

    sign_in: Literal["off", "asked", "all"] = Field(
        default="off",
        description="Whether people sign in to see a preview. asked: where eph.yaml's protection asks for it. all.",
    )
    proxies: Networks = Field(
        default=(),
        description="Networks or addresses of what stands in front of the gateway, such as an ingress controller: what "
        "it says of the visitor (X-Forwarded-For, X-Forwarded-Proto) is believed.",
    )


class PreviewSecret(SettingsTable):
    """A secret that previews may be given: where its value is, and whose previews may name it."""

    file: Path | None = Field(default=None, description="The file that holds the value.")
    variable: str = Field(default="", description="The variable of ephd that holds it instead.")
    repositories: Repositories = Field(min_length=1, description="Whose eph.yaml may name it: owner/name or owner/*.")
    forks: bool = Field(default=False, description="Whether an approved commit of a fork is given it, too.")

    @model_validator(mode="after")
    def _check_source(self) -> PreviewSecret:
        if (self.file is None) == (not self.variable):
            raise InvalidValue("a secret has one source", "set file or variable, one of the two", ("file",))
        return self


class ImagesSettings(SettingsTable):
    """How images are found. Which registries may be asked, and with which credentials, the target says."""

    hosts: StringList = Field(
        default=(),
        description="Hosts that registries may send us to, with our credentials: for tokens, or where contents lie. "
        "*.example.com: all below it.",
    )
    architectures: StringList = Field(
        default=("amd64",),
        min_length=1,
        description="The architectures of the cluster's nodes; an image must have all.",
    )

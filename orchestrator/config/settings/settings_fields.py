"""The settings themselves: each field of eph.toml outside of the targets' tables, checked one by one."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from orchestrator.config import wording
from orchestrator.config.settings.channel_tables import ChannelSettings
from orchestrator.config.settings.cost_tables import BudgetsSettings, PriceName, TargetPriceTable
from orchestrator.config.settings.groups import (
    AuthSettings,
    DeploysSettings,
    ExecSettings,
    ForksSettings,
    IdleSettings,
    ImagesSettings,
    LedgerSettings,
    LimitsSettings,
    LogSettings,
    OAuthSettings,
    PreviewsSettings,
    TargetsSettings,
    TlsSettings,
    TracesSettings,
    TtlSettings,
)
from orchestrator.config.settings.replica_tables import ReplicasSettings
from orchestrator.config.settings.secret_tables import PreviewSecret, SecretProviders
from orchestrator.config.settings.setting_types import (
    Address,
    Domain,
    Domains,
    DurationSetting,
    Labels,
    SecretName,
)
from orchestrator.forges import registry as forge_registry
from orchestrator.forges.settings import ForgeSettings
from programs.settings import InvalidValue
from stacks.backends import registry as backends
from stacks.executors import registry as executors


def default_home() -> Path:
    """The default data folder: /var/lib/eph for root, otherwise below the user's state folder."""
    if os.geteuid() == 0:
        return Path("/var/lib/eph")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "eph"


class SettingsFields(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(env_prefix="EPH_", env_nested_delimiter="__", extra="forbid", frozen=True)

    home: Path = Field(default_factory=default_home, description="The folder with all data of this server.")
    name: str = Field(
        default="eph",
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description=(
            "This server's name, needed if several servers serve the same repositories, to keep their reports apart."
        ),
    )
    interval: DurationSetting = Field(
        default=timedelta(seconds=30), description="How often Eph compares desired and observed state."
    )
    listen: Address = Field(
        default="127.0.0.1:8081",
        description="The address the API listens on, as host:port. With a certificate in [tls], it serves TLS there, "
        "unless only this machine can reach the address.",
    )
    gateway_listen: Address = Field(
        default="127.0.0.1:8080", description="The address the gateway listens on, as host:port."
    )
    gateway: Literal["own", "beside"] = Field(
        default="own",
        description="own: ephd starts and supervises the gateway. beside: you run it separately with `ephd --gateway`.",
    )
    domain: Domain = Field(default="localhost", description="The domain of environments' host names.")
    domains: Domains = Field(
        default=(), description="More domains that repositories can select with environment.dns.domain."
    )
    public_url: str = Field(
        default="",
        description="The URL of an environment, with {host}. Empty: http://{host}: and the gateway's port.",
    )
    backend_url: str = Field(
        default="",
        description="The Pulumi backend, such as file:///srv/stacks. Empty: the folder backend in home.",
    )
    passphrase_file: Path | None = Field(
        default=None,
        description="A file with the passphrase that encrypts secrets in stacks. Empty: Eph creates one in home.",
    )
    ledger_url: SecretStr = Field(
        default=SecretStr(""),
        description="The database of the event log, as a SQLAlchemy URL. Empty: the file ledger.db in home.",
    )
    executor: str = Field(default=executors.DEFAULT, description="What runs operations: processes of this machine.")
    workers: int = Field(
        default=1, ge=0, le=32, description="The number of warm interpreters that wait for the next operation."
    )
    deadline: DurationSetting = Field(default=timedelta(seconds=1800), description="The timeout of an operation.")
    labels: Labels = Field(default=("preview",), description="The trigger labels if eph.yaml defines no triggers.")
    idle: IdleSettings = Field(default=IdleSettings(), description="Idle previews.")
    ttl: TtlSettings = Field(default=TtlSettings(), description="How long environments live.")
    deploys: DeploysSettings = Field(default=DeploysSettings(), description="Label deploys.")
    exec: ExecSettings = Field(default=ExecSettings(), description="Commands inside environments.")
    limits: LimitsSettings = Field(default=LimitsSettings(), description="Limits.")
    targets: TargetsSettings = Field(default=TargetsSettings(), description="Allowed targets.")
    forks: ForksSettings = Field(default=ForksSettings(), description="Pull requests that come from a fork.")
    ledger: LedgerSettings = Field(default=LedgerSettings(), description="The event log.")
    channels: dict[SecretName, ChannelSettings] = Field(
        default={}, description="Where to announce what happens to previews, each in its own table [channels.NAME]."
    )
    budgets: BudgetsSettings = Field(default=BudgetsSettings(), description="What environments may cost.")
    prices: dict[PriceName, TargetPriceTable] = Field(
        default={},
        description="Prices in US dollars, each target's in its own table [prices.TARGET]; they replace public ones. "
        "`eph prices` lists the items.",
    )
    traces: TracesSettings = Field(default=TracesSettings(), description="Traces for an OpenTelemetry collector.")
    log: LogSettings = Field(default=LogSettings(), description="What ephd writes to standard error.")
    replicas: ReplicasSettings = Field(
        default=ReplicasSettings(), description="Several replicas of ephd for the same repositories."
    )
    tls: TlsSettings = Field(default=TlsSettings(), description="TLS that Eph serves itself.")
    previews: PreviewsSettings = Field(default=PreviewsSettings(), description="Access to previews.")
    oauth: OAuthSettings = Field(default=OAuthSettings(), description="OAuth sign-in inside previews.")
    auth: AuthSettings = Field(default=AuthSettings(), description="Sign-in of people, and their roles.")
    secrets: dict[SecretName, PreviewSecret] = Field(
        default={},
        description="Secrets for previews, each in its own table [secrets.NAME] with its source (such as file), "
        "repositories, and forks.",
    )
    secret_providers: SecretProviders = Field(
        default_factory=SecretProviders, description="Where secrets are stored, besides files and variables."
    )
    images: ImagesSettings = Field(default=ImagesSettings(), description="Image lookup.")
    forge: ForgeSettings = Field(default_factory=forge_registry.default_settings, description="The Git host.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Uses arguments only: ``load`` reads the other sources itself, because it must report where a wrong value came
        from."""
        return (init_settings,)

    @field_validator("home")
    @classmethod
    def _make_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("forge", mode="before")
    @classmethod
    def _read_forge(cls, value: Any) -> Any:
        return forge_registry.read_settings(value)

    @field_validator("public_url")
    @classmethod
    def _check_host_placeholder(cls, value: str) -> str:
        fits = value.startswith(("http://", "https://")) and value.count("{") == 1 and "{host}" in value
        if value and not fits:
            raise InvalidValue(wording.settings.NOT_A_URL_TEMPLATE, wording.settings.URL_TEMPLATE_EXAMPLE)
        return value.rstrip("/")

    @field_validator("backend_url")
    @classmethod
    def _check_backend_url(cls, value: str) -> str:
        if value:
            backends.open_backend(value)
        return value

    @field_validator("executor")
    @classmethod
    def _check_executor(cls, value: str) -> str:
        return executors.get(value).name

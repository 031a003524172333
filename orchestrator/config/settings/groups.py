"""The groups of the server's settings. Errors never repeat a value that may be a secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from orchestrator.config import wording
from orchestrator.config.settings.setting_types import (
    Address,
    Domain,
    DurationSetting,
    Networks,
)
from orchestrator.images.helpers import credential_helpers
from orchestrator.images.helpers.credential_helpers import InvalidCredentialHelper
from orchestrator.images.registry_policy import RegistryPolicy
from programs.quoting import quote
from programs.settings import InvalidValue, SettingsTable, StringList
from programs.spec import DEFAULT_TARGET


class TtlSettings(SettingsTable):
    """How long environments live, from the first sight of their newest commit."""

    default: DurationSetting = Field(default=timedelta(hours=72), description="The default if eph.yaml sets none.")
    most: DurationSetting = Field(default=timedelta(days=30), description="The maximum that eph.yaml can set.")

    warning: DurationSetting = Field(
        default=timedelta(hours=4),
        description="How long before expiry people are warned; at most a quarter of the lifetime.",
    )

    @model_validator(mode="after")
    def _check_order(self) -> TtlSettings:
        if self.default > self.most:
            raise InvalidValue(wording.settings.DEFAULT_OVER_MAXIMUM, wording.settings.RAISE_TTL, ("default",))
        return self


class DeploysSettings(SettingsTable):
    """Label deploys: environments without a pull request."""

    ttl: DurationSetting = Field(default=timedelta(hours=24), description="How long a deploy lives by default.")
    most: DurationSetting = Field(default=timedelta(days=7), description="The maximum that `eph deploy --ttl` can set.")
    per_app: int = Field(
        default=10,
        ge=1,
        le=500,
        description="The maximum number of label deploys per repository; the one nearest to expiry makes room.",
    )
    on_demand: bool = Field(
        default=True,
        description="Whether a deploy starts with its first request instead of at once, on targets whose requests all "
        "pass Eph's gateway.",
    )
    idle: DurationSetting = Field(
        default=timedelta(minutes=15),
        description="How long such a deploy runs without a request, if its eph.yaml sets no idle_timeout.",
    )
    upload_mb: int = Field(
        default=64,
        ge=0,
        le=2000,
        description="The maximum size in MB, compressed, of a working copy that `eph deploy` uploads. 0: no uploads.",
    )
    routes: dict[Domain, Annotated[str, Field(pattern=r"^[^/\s]+/\S+$")]] = Field(
        default={},
        description="The routes that eph.yaml can set with app.route, each with the one repository that can use it: "
        '"shop.example.com" = "acme/shop".',
    )

    @property
    def upload_bytes(self) -> int:
        """0: no uploads."""
        return self.upload_mb * 1_000_000

    @model_validator(mode="after")
    def _check_order(self) -> DeploysSettings:
        if self.ttl > self.most:
            raise InvalidValue(wording.settings.DEFAULT_OVER_MAXIMUM, wording.settings.RAISE_DEPLOYS, ("ttl",))
        return self


class ExecSettings(SettingsTable):
    """Commands that people and agents run inside environments."""

    role: Literal["developer", "admin", "none"] = Field(
        default="developer",
        description="Who can run commands inside environments with `eph exec`: this role and above, or none. A command "
        "can read what the service can, its secrets included.",
    )
    timeout: DurationSetting = Field(default=timedelta(hours=1), description="How long such a command may run.")


class IdleSettings(SettingsTable):
    """Idle previews."""

    timeout: DurationSetting | None = Field(
        default=None,
        description="How long without a visit until an environment sleeps, if eph.yaml sets nothing. Empty: never.",
    )
    awake: DurationSetting = Field(
        default=timedelta(hours=1),
        description="How long an environment stays awake when it is woken outside of its schedule.",
    )


class LimitsSettings(SettingsTable):
    """Limits. What exceeds them waits in the queue or is rejected with a reason."""

    environments: int = Field(default=50, ge=1, description="The maximum number of environments.")
    per_repository: int = Field(default=20, ge=1, description="The maximum number of environments per repository.")
    refs: int = Field(default=20, ge=0, le=500, description="The maximum number of branches and tags per repository.")
    concurrent: int = Field(default=4, ge=1, le=64, description="The maximum number of concurrent operations.")
    concurrent_destroys: int = Field(
        default=2, ge=1, le=64, description="How many of these may be destroys while creations are waiting."
    )
    spare_memory: int = Field(
        default=256,
        ge=0,
        description="Memory to keep free, in MB; with less, fewer operations and builds run concurrently. 0: no limit.",
    )
    builds: int = Field(
        default=0,
        ge=0,
        le=64,
        description="The maximum number of concurrent builds on this machine. 0: one per CPU.",
    )
    suites: int = Field(
        default=2, ge=1, le=64, description="The maximum number of concurrent test suites over all environments."
    )
    services: int = Field(default=10, ge=1, description="The maximum number of services per environment.")
    public_services: int = Field(default=5, ge=1, description="The maximum number of public services per environment.")
    databases: int = Field(default=3, ge=0, description="The maximum number of databases per environment.")
    command: DurationSetting = Field(default=timedelta(minutes=30), description="The maximum timeout of a command.")
    health: DurationSetting = Field(
        default=timedelta(minutes=15), description="The maximum deadline of a health check."
    )
    file_bytes: int = Field(default=65536, ge=1024, le=1048576, description="The largest eph.yaml, in bytes.")


class TargetsSettings(SettingsTable):
    """Allowed targets."""

    allowed: StringList = Field(
        default=(DEFAULT_TARGET,), min_length=1, description="The targets that eph.yaml can select."
    )
    default: str = Field(default=DEFAULT_TARGET, description="The target if eph.yaml selects none.")

    @model_validator(mode="after")
    def _check_default(self) -> TargetsSettings:
        if self.default not in self.allowed:
            raise InvalidValue(wording.settings.DEFAULT_NOT_ALLOWED, wording.settings.ADD_TO_ALLOWED, ("default",))
        return self


class LedgerSettings(SettingsTable):
    """The event log."""

    keep: DurationSetting = Field(
        default=timedelta(days=90),
        description="How long events are kept; the newest event of each environment is always kept.",
    )


class LogSettings(SettingsTable):
    """What ephd writes to standard error: a line for each event, and what goes wrong inside."""

    format: Literal["text", "json"] = Field(
        default="text", description="text: for people. json: one object per line, for log collectors."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The lowest level to write. Failed operations are warnings."
    )


class TracesSettings(SettingsTable):
    """Traces of operations, by OpenTelemetry's conventions for CI/CD."""

    endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="The collector that receives traces as OTLP over HTTP, such as http://localhost:4318. Empty: none.",
    )
    headers_file: Path | None = Field(
        default=None, description="A file with headers for the collector, one per line: Authorization: Bearer …"
    )

    def read_headers(self) -> dict[str, str]:
        """Read for each trace, so that a replaced file counts at once."""
        lines = self.headers_file.read_text().splitlines() if self.headers_file else []
        pairs = (line.partition(":") for line in lines if line.strip())
        return {name.strip(): value.strip() for name, _, value in pairs}


class ForksSettings(SettingsTable):
    """Pull requests from forks. Whatever is set here, a label alone never runs anything of a fork."""

    allow: Literal["refuse", "approve"] = Field(
        default="approve",
        description="refuse: forks never run. approve: a commit runs after someone with write access has approved it.",
    )
    guarded: Literal["refuse", "approve"] = Field(
        default="approve",
        description="The same for targets that run only commits by people with write access.",
    )


class PreviewsSettings(SettingsTable):
    """Access to previews."""

    sign_in: Literal["off", "asked", "all"] = Field(
        default="off",
        description=(
            "Whether visitors must sign in to previews. asked: if eph.yaml's protection requires it. all: always."
        ),
    )
    bar: bool = Field(default=True, description="Whether eph.yaml can show the bar on the pages of an environment.")
    proxies: Networks = Field(
        default=(),
        description="Networks or addresses of trusted proxies in front of the gateway, such as an ingress "
        "controller; their X-Forwarded-For and X-Forwarded-Proto headers are trusted.",
    )


class TlsSettings(SettingsTable):
    """TLS at the gateway, for previews, the dashboard and the API; and at the API's own address, if it is open."""

    listen: Address = Field(
        default="0.0.0.0:8443", description="The address where the gateway listens with TLS, as host:port."
    )
    certificate_file: Path | None = Field(
        default=None,
        description="The certificate with its chain, in PEM. With it, the gateway serves TLS, and so does the API at "
        "listen. It must be valid for the domain and for *.domain.",
    )
    key_file: Path | None = Field(default=None, description="The certificate's key, in PEM, without a passphrase.")

    @property
    def is_enabled(self) -> bool:
        return self.certificate_file is not None

    @model_validator(mode="after")
    def _check_files(self) -> TlsSettings:
        if (self.certificate_file is None) != (self.key_file is None):
            missing = "certificate_file" if self.certificate_file is None else "key_file"
            raise InvalidValue(wording.settings.TLS_INCOMPLETE, f"set tls.{missing}", (missing,))
        return self


class OAuthSettings(SettingsTable):
    """OAuth sign-in inside previews, with one callback URL for all of them."""

    providers: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")], str] = Field(
        default={},
        description="The authorization endpoint of each provider: google = "
        '"https://accounts.google.com/o/oauth2/v2/auth".',
    )

    @model_validator(mode="after")
    def _check_urls(self) -> OAuthSettings:
        for name, url in self.providers.items():
            try:
                _check_web_url(url, name)
            except InvalidValue as error:
                raise InvalidValue(
                    error.message, wording.settings.USE_AUTHORIZATION_ENDPOINT, ("providers", name)
                ) from None
            if not url or "#" in url:
                raise InvalidValue(
                    wording.settings.not_an_authorization_endpoint(quote(url)),
                    wording.settings.USE_ITS_URL,
                    ("providers", name),
                )
        return self


class AuthSettings(SettingsTable):
    """Sign-in with an identity provider, and roles."""

    provider: Literal["none", "oidc", "forge"] = Field(
        default="none",
        description="none: only tokens. oidc: a provider with OpenID Connect. forge: accounts of the Git host.",
    )
    url: str = Field(
        default="",
        description="The dashboard's public URL. Register this with /auth/callback at the provider.",
    )
    issuer: str = Field(default="", description="With oidc, the provider's issuer URL, as in its discovery document.")
    client_id: str = Field(default="", description="The ID of Eph's registration at the provider.")
    client_secret: SecretStr = Field(default=SecretStr(""), description="The secret of that registration.")
    scopes: StringList = Field(
        default=("openid", "profile", "email"),
        description="The scopes to request with oidc. Some providers send groups only with an extra scope.",
    )
    name_claim: str = Field(
        default="email", min_length=1, description="The claim with a person's name, for the audit trail."
    )
    groups_claim: str = Field(default="groups", min_length=1, description="The claim with a person's groups.")
    viewers: StringList = Field(
        default=(),
        description="The groups whose members are viewers; with forge, organizations and teams (acme/core). "
        "*: everyone who can sign in.",
    )
    developers: StringList = Field(default=(), description="The groups whose members are developers.")
    admins: StringList = Field(default=(), description="The groups whose members are admins.")
    session: DurationSetting = Field(
        default=timedelta(hours=12), description="How long a person stays signed in to the dashboard."
    )

    @model_validator(mode="after")
    def _check_complete(self) -> AuthSettings:
        if self.provider == "none":
            return self
        required = ("url", "client_id", *(("issuer",) if self.provider == "oidc" else ()))
        for key in required:
            if not getattr(self, key):
                raise InvalidValue(wording.settings.provider_needs(self.provider, key), "set it", (key,))
        if not self.client_secret.get_secret_value():
            raise InvalidValue(wording.settings.provider_needs_secret(self.provider), "set it", ("client_secret",))
        for key in ("url", "issuer"):
            _check_web_url(getattr(self, key), key)
        return self


def _check_web_url(value: str, key: str) -> None:
    """Without TLS, anyone on the network could sign in as somebody else."""
    if not value:
        return
    parts = urlsplit(value)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or parts.scheme not in (("http", "https") if local else ("https",)):
        raise InvalidValue(wording.settings.not_https(quote(value)), wording.settings.HTTPS_EXAMPLE, (key,))


def _credential_helpers(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        try:
            credential_helpers.parse(entry)
        except InvalidCredentialHelper as error:
            raise InvalidValue(str(error)) from None
    return entries


class ImagesSettings(SettingsTable):
    """Image lookup. The target's settings define which registries are allowed, and their credentials."""

    hosts: StringList = Field(
        default=(),
        description="Hosts that registries may redirect to with credentials, for tokens or for content. "
        "*.example.com includes all subdomains.",
    )
    architectures: StringList = Field(
        default=("amd64",),
        min_length=1,
        description="The architectures of the cluster's nodes; images must support all of them.",
    )
    credential_helpers: Annotated[StringList, AfterValidator(_credential_helpers)] = Field(
        default=(),
        description="Registries whose credentials a cloud issues: HOST=ecr, HOST=gar, HOST=gar:FILE or HOST=acr:FILE.",
    )

    def registry_policy(self, target_settings: Mapping[str, str]) -> RegistryPolicy:
        """For a target that runs images."""
        plain_http = target_settings.get("plain_http", "").split(",")
        helpers = credential_helpers.create(self.credential_helpers, plain_http)
        return RegistryPolicy.from_settings(target_settings, self.hosts, self.architectures, helpers)

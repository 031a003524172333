"""The groups of the server's settings, and the kinds of values they share.

A list may be written in a variable with commas: ``EPH_FORGE__REPOSITORIES=acme/shop,acme/pay``. What may hold a
secret is never repeated in an error.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from orchestrator.config.durations import parse_duration
from orchestrator.config.problems import BadSettings, Rejected, quote

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")


def host_and_port(address: str) -> tuple[str, int]:
    """The two halves of ``127.0.0.1:8080`` or ``[::1]:8080``; port 0 lets the system choose."""
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found[2]) > 65535:
        raise Rejected(f"{quote(address)} is not host:port", "write for example 127.0.0.1:8080")
    return found[1].strip("[]"), int(found[2])


def _address(value: str) -> str:
    host_and_port(value)
    return value


def _domain(value: str) -> str:
    if len(value) > 180 or not _DOMAIN.fullmatch(value):
        raise Rejected(f"{quote(value)} is not a domain", "write for example preview.example.com")
    return value


def _seconds(value: Any) -> Any:
    """A number alone is seconds; else a duration as in eph.yaml."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 < value <= 31_536_000:
            raise Rejected(f"{value} is out of range", "write more than 0 and at most 365d")
        return timedelta(seconds=value)
    return parse_duration(value)


def _listed(value: Any) -> Any:
    return tuple(item.strip() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


def _repository(value: str) -> str:
    if not _REPOSITORY.fullmatch(value):
        raise Rejected(f"{quote(value)} is not a repository", "write owner/name")
    return value


Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
Address = Annotated[str, AfterValidator(_address)]
Domain = Annotated[str, AfterValidator(_domain)]
Listed = (NoDecode, BeforeValidator(_listed))
Labels = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=50)], ...], *Listed, Field(min_length=1)]
Domains = Annotated[tuple[Domain, ...], *Listed]
Words = Annotated[tuple[str, ...], *Listed]
Repositories = Annotated[tuple[Annotated[str, AfterValidator(_repository)], ...], *Listed]


class Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ttl(Group):
    """How long environments live, from the first sight of their newest commit."""

    default: Seconds = Field(default=timedelta(hours=72), description="For an eph.yaml that does not say.")
    most: Seconds = Field(default=timedelta(days=30), description="The longest that an eph.yaml may ask for.")

    warning: Seconds = Field(
        default=timedelta(hours=4), description="How long before the end people are warned; at most a quarter of all."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Ttl:
        if self.default > self.most:
            raise Rejected("the default is longer than the most", "lower it, or raise ttl.most", ("default",))
        return self


class Limits(Group):
    """How much of everything there may be; what is over waits in the queue or is refused with a reason."""

    environments: int = Field(default=50, ge=1, description="Environments in all.")
    per_repository: int = Field(default=20, ge=1, description="Environments of one repository.")
    concurrent: int = Field(default=4, ge=1, le=64, description="Operations at once, of any kind.")
    concurrent_destroys: int = Field(default=2, ge=1, le=64, description="Of which destroys while creations wait.")
    services: int = Field(default=10, ge=1, description="Services of one environment.")
    public_services: int = Field(default=5, ge=1, description="Services of one environment with a host name.")
    databases: int = Field(default=3, ge=0, description="Databases of one environment.")
    command: Seconds = Field(default=timedelta(minutes=30), description="The longest timeout of a command.")
    health: Seconds = Field(default=timedelta(minutes=15), description="The longest deadline of a health check.")
    file_bytes: int = Field(default=65536, ge=1024, le=1048576, description="The largest eph.yaml, in bytes.")


class Targets(Group):
    """What environments may be made of."""

    allowed: Words = Field(default=("local",), min_length=1, description="The targets that an eph.yaml may name.")
    default: str = Field(default="local", description="The target of an eph.yaml that names none.")

    @model_validator(mode="after")
    def _allowed(self) -> Targets:
        if self.default not in self.allowed:
            raise Rejected("the default target is not among the allowed ones", "add it to allowed", ("default",))
        return self


class Ledger(Group):
    """The event log."""

    keep: Seconds = Field(
        default=timedelta(days=90), description="How long events stay; the newest of each environment always does."
    )


class Forks(Group):
    """Pull requests that come from a fork. Whatever is set here, nothing of one runs because of its label alone."""

    allow: Literal["refuse", "approve"] = Field(
        default="approve",
        description="refuse: nothing of a fork ever runs. approve: a commit runs once somebody with write access "
        "approved that very one.",
    )
    guarded: Literal["refuse", "approve"] = Field(
        default="approve",
        description="The same for targets that run only what people with write access pushed, such as `local`.",
    )


class Previews(Group):
    """The door in front of previews."""

    sign_in: Literal["off", "asked", "all"] = Field(
        default="off",
        description="Whether people sign in to see a preview. asked: where eph.yaml's protection asks for it. all.",
    )


class Local(Group):
    """The target `local`: processes and databases on this machine."""

    root: Path | None = Field(default=None, description="Where it keeps checkouts, logs, data. Empty: local in home.")
    toolbox: Words = Field(default=(), description="More folders that previews may read, such as a language's own.")
    path: str = Field(default="/usr/local/bin:/usr/bin:/bin", description="The PATH that previews get.")
    sandbox: Literal["auto", "bubblewrap", "none"] = Field(
        default="auto",
        description="How previews are shut in. auto: by bubblewrap where it works. bubblewrap: or not at all. none.",
    )
    postgres: SecretStr = Field(
        default=SecretStr(""),
        description="An administrator's URL of the PostgreSQL server to use. Empty: a server of Eph's own.",
    )


class Forge(Group):
    """The Git host, and how to be let in. A secret comes from a variable or from a file, not from both."""

    url: str = Field(default="https://api.github.com", description="The base URL of the Git host's API.")
    token: SecretStr | None = Field(default=None, description="A token for the API.")
    token_file: Path | None = Field(default=None, description="A file that holds the token.")
    webhook_secret: SecretStr | None = Field(default=None, description="The secret that signs webhooks.")
    webhook_secret_file: Path | None = Field(default=None, description="A file that holds that secret.")
    repositories: Repositories = Field(default=(), description="The repositories to serve, each as owner/name.")

    @model_validator(mode="after")
    def _one_source(self) -> Forge:
        if not self.url.startswith(("http://", "https://")):
            raise Rejected("this is not a URL", "write for example https://api.github.com", ("url",))
        for key in ("token", "webhook_secret"):
            if getattr(self, key) is not None and getattr(self, f"{key}_file") is not None:
                raise Rejected(f"there is a {key} and a {key}_file", "keep one of the two", (f"{key}_file",))
        return self

    def read_token(self) -> str:
        """The token, wherever it comes from; empty without one."""
        return _secret(self.token, self.token_file, "forge.token_file")

    def read_webhook_secret(self) -> str:
        return _secret(self.webhook_secret, self.webhook_secret_file, "forge.webhook_secret_file")


def _secret(value: SecretStr | None, file: Path | None, setting: str) -> str:
    if value is not None:
        return value.get_secret_value().strip()
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadSettings([f"{setting}: {file} cannot be read: {reason}; name a readable file"]) from error

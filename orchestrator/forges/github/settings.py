"""GitHub's table ``[forge]``: the URL of its API, and how Eph authenticates: as a GitHub App, or with a token."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from orchestrator.forges.github import wording
from orchestrator.forges.settings import ForgeSettings, Repositories
from programs.quoting import quote
from programs.settings import CommaSeparated, InvalidValue

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}")


def _owner(value: str) -> str:
    if not _OWNER.fullmatch(value):
        raise InvalidValue(wording.not_an_owner(quote(value)), wording.OWNER_EXAMPLE)
    return value


Owners = Annotated[tuple[Annotated[str, AfterValidator(_owner)], ...], *CommaSeparated]


class GitHubSettings(ForgeSettings):
    kind: str = Field(default="github", description="The name of the Git host's adapter.")
    url: str = Field(default="https://api.github.com", description="The base URL of the Git host's API.")
    app_id: str = Field(
        default="",
        pattern=r"^([0-9]{1,20}|Iv[A-Za-z0-9.]{1,60})?$",
        description="The GitHub App's ID or client ID.",
    )
    private_key: SecretStr | None = Field(default=None, description="The App's private key in PEM format.")
    private_key_file: Path | None = Field(default=None, description="A file that contains the private key.")
    token: SecretStr | None = Field(default=None, description="An API token, instead of an App.")
    token_file: Path | None = Field(default=None, description="A file that contains the token.")
    repositories: Repositories = Field(
        default=(), description="The repositories to serve, each as owner/name or a pattern such as owner/shop-*."
    )
    organisations: Owners = Field(
        default=(), description="Organisations or users; all their repositories that Eph can access are served."
    )
    discovery_seconds: float = Field(
        default=300.0,
        ge=1,
        le=86400,
        description="How often Eph looks for new repositories that match a pattern, in seconds.",
    )
    clone_url: str = Field(
        default="", description="Where to fetch commits from instead, for example a mirror: a URL with {full_name}."
    )

    @model_validator(mode="after")
    def _check_urls(self) -> GitHubSettings:
        if not self.url.startswith(("http://", "https://")):
            raise InvalidValue(wording.NOT_A_URL, wording.API_URL_EXAMPLE, ("url",))
        if re.match(r"https?://(www\.)?github\.com(/|$)", self.url):
            raise InvalidValue(wording.WEBSITE_NOT_API, "use https://api.github.com", ("url",))
        if self.clone_url and not (self.clone_url.count("{") == 1 and "{full_name}" in self.clone_url):
            text = wording.MIRROR_EXAMPLE
            raise InvalidValue(wording.NOT_A_MIRROR, text, ("clone_url",))
        return self

    @model_validator(mode="after")
    def _check_credentials(self) -> GitHubSettings:
        for key in ("token", "private_key"):
            self.check_one_source(key)
        has_key = self.private_key is not None or self.private_key_file is not None
        if bool(self.app_id) != has_key:
            missing = "private_key_file" if self.app_id else "app_id"
            raise InvalidValue(wording.APP_INCOMPLETE, wording.set_too(missing), (missing,))
        if self.app_id and (self.token is not None or self.token_file is not None):
            raise InvalidValue(wording.APP_AND_TOKEN, wording.KEEP_ONE, ("token",))
        return self

    def missing(self) -> str:
        if self.app_id or self.read_secret("token"):
            return ""
        return wording.NO_ACCESS

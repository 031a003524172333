"""The fields of the table ``[forge]`` of eph.toml that every Git host has. An adapter adds fields in a subclass."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

from orchestrator.forges import wording
from programs.quoting import quote
from programs.settings import CommaSeparated, InvalidValue, SettingsTable

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._*-]{1,100}")


def _repository(value: str) -> str:
    if not _REPOSITORY.fullmatch(value):
        raise InvalidValue(wording.not_a_repository(quote(value)), wording.REPOSITORY_EXAMPLE)
    return value


Repositories = Annotated[tuple[Annotated[str, AfterValidator(_repository)], ...], *CommaSeparated]


class ForgeSettings(SettingsTable):
    """A secret comes from a variable or from a file, not from both."""

    kind: str = Field(description="The name of the Git host's adapter.")
    webhook_secret: SecretStr | None = Field(default=None, description="The secret that signs webhooks.")
    webhook_secret_file: Path | None = Field(default=None, description="A file that contains the webhook secret.")
    webhook_url: str = Field(
        default="", description="The public URL of this server's webhook endpoint, for `eph webhook test`."
    )

    @model_validator(mode="after")
    def _check_webhook(self) -> ForgeSettings:
        self.check_one_source("webhook_secret")
        if self.webhook_url and not self.webhook_url.startswith(("http://", "https://")):
            text = wording.webhook_url_example(self.kind)
            raise InvalidValue(wording.NOT_A_URL, text, ("webhook_url",))
        return self

    def check_one_source(self, key: str) -> None:
        if getattr(self, key) is not None and getattr(self, f"{key}_file") is not None:
            raise InvalidValue(wording.set_twice(key), wording.KEEP_ONE, (f"{key}_file",))

    def missing(self) -> str:
        """What must be set before Eph can connect, in one sentence; empty if nothing is missing."""
        return ""

    def read_webhook_secret(self) -> str:
        """Empty if there is none, which disables webhooks."""
        return self.read_secret("webhook_secret")

    def read_secret(self, key: str) -> str:
        """The secret ``key``, from the setting or its file; empty if there is none."""
        value: SecretStr | None = getattr(self, key)
        file: Path | None = getattr(self, f"{key}_file")
        if value is not None:
            return value.get_secret_value().strip()
        if file is None:
            return ""
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else wording.NOT_UTF_8
            raise InvalidValue(wording.file_unreadable(key, file, reason), wording.USE_READABLE_FILE) from error

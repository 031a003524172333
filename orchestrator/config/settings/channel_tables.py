"""The tables ``[channels.NAME]``: where announcements go."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from orchestrator.config import wording
from programs.settings import InvalidValue, SettingsTable, StringList

AnnouncementKind = Literal["ready", "failed", "expiring", "held", "budget"]
DEFAULT_KINDS: tuple[AnnouncementKind, ...] = ("ready", "failed", "expiring", "held", "budget")


class ChannelSettings(SettingsTable):
    """Where to send announcements. The URL is a secret: anyone who has a Slack URL can post to its channel."""

    kind: Literal["slack", "webhook"] = Field(
        description="slack: an incoming webhook of Slack, or of what accepts its format. webhook: JSON, signed."
    )
    url: SecretStr | None = Field(default=None, description="The URL to send to.")
    url_file: Path | None = Field(default=None, description="A file that contains the URL.")
    secret_file: Path | None = Field(
        default=None, description="A file with the secret that signs the body, for kind = webhook."
    )
    on: tuple[AnnouncementKind, ...] = Field(default=DEFAULT_KINDS, min_length=1, description="What to announce.")
    repositories: StringList = Field(
        default=("**",), min_length=1, description="Which repositories: owner/name, or a pattern such as owner/*."
    )

    @model_validator(mode="after")
    def _check(self) -> ChannelSettings:
        if (self.url is None) == (self.url_file is None):
            raise InvalidValue(wording.settings.ONE_URL, wording.settings.SET_ONE_URL)
        if self.url is not None and urlsplit(self.url.get_secret_value()).scheme not in ("http", "https"):
            raise InvalidValue(wording.settings.NOT_HTTP, wording.settings.USE_HTTPS, ("url",))
        if self.secret_file is not None and self.kind != "webhook":
            raise InvalidValue(wording.settings.NO_SIGNATURES, wording.settings.REMOVE_SECRET_FILE, ("secret_file",))
        return self

    def read_url(self) -> str:
        """Read each time, so that a replaced file counts at once."""
        return self.url.get_secret_value() if self.url else _read(self.url_file)

    def read_secret(self) -> str:
        return _read(self.secret_file)


def _read(path: Path | None) -> str:
    return path.read_text().strip() if path else ""

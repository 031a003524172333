"""The tables ``[channels.NAME]``: where announcements go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from orchestrator.config import wording
from orchestrator.config.settings.setting_types import host_and_port
from programs.quoting import quote
from programs.settings import InvalidValue, SettingsTable, StringList

AnnouncementKind = Literal["ready", "failed", "expiring", "held", "budget"]
DEFAULT_KINDS: tuple[AnnouncementKind, ...] = ("ready", "failed", "expiring", "held", "budget")
_MAIL_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_URL_FIELDS, _MAIL_FIELDS = ("url", "url_file"), ("smtp", "sender", "to", "username", "password_file", "ca_file")


class ChannelSettings(SettingsTable):
    """Where to send announcements. The URL is a secret: anyone who has a Slack URL can post to its channel."""

    kind: Literal["slack", "webhook", "email"] = Field(
        description="slack: an incoming webhook of Slack, or of what accepts its format. webhook: JSON, signed. "
        "email: a message by SMTP."
    )
    url: SecretStr | None = Field(default=None, description="The URL to send to.")
    url_file: Path | None = Field(default=None, description="A file that contains the URL.")
    secret_file: Path | None = Field(
        default=None, description="A file with the secret that signs the body, for kind = webhook."
    )
    smtp: str = Field(default="", description="The SMTP server, as host:port, for kind = email.")
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description="How the connection to the SMTP server is encrypted: starttls (usually port 587), implicit (465), "
        "or none, for a server on this machine.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="The certificate authorities of the SMTP server, in PEM format. Default: the system's.",
    )
    username: str = Field(default="", description="The user at the SMTP server, if it requires one.")
    password_file: Path | None = Field(default=None, description="A file with that user's password.")
    sender: str = Field(default="", description="The address that messages come from.")
    to: StringList = Field(default=(), max_length=20, description="The addresses that messages go to.")
    on: tuple[AnnouncementKind, ...] = Field(default=DEFAULT_KINDS, min_length=1, description="What to announce.")
    repositories: StringList = Field(
        default=("**",), min_length=1, description="Which repositories: owner/name, or a pattern such as owner/*."
    )

    @model_validator(mode="after")
    def _check(self) -> ChannelSettings:
        if self.secret_file is not None and self.kind != "webhook":
            raise InvalidValue(wording.settings.NO_SIGNATURES, wording.settings.REMOVE_SECRET_FILE, ("secret_file",))
        self._refuse(_URL_FIELDS if self.kind == "email" else (*_MAIL_FIELDS, "tls"))
        if self.kind == "email":
            self._check_mail()
        else:
            self._check_url()
        return self

    def _refuse(self, fields: tuple[str, ...]) -> None:
        """What another kind of channel needs would be ignored here."""
        for name in fields:
            if name in self.model_fields_set and getattr(self, name):
                message = wording.settings.wrong_channel_field(name, self.kind)
                raise InvalidValue(message, wording.settings.remove_field(name), (name,))

    def _check_url(self) -> None:
        if (self.url is None) == (self.url_file is None):
            raise InvalidValue(wording.settings.ONE_URL, wording.settings.SET_ONE_URL)
        if self.url is not None and urlsplit(self.url.get_secret_value()).scheme not in ("http", "https"):
            raise InvalidValue(wording.settings.NOT_HTTP, wording.settings.USE_HTTPS, ("url",))

    def _check_mail(self) -> None:
        for name in ("smtp", "sender", "to"):
            if not getattr(self, name):
                raise InvalidValue(wording.settings.mail_needs(name), wording.settings.MAIL_EXAMPLE, (name,))
        for name, addresses in (("sender", (self.sender,)), ("to", self.to)):
            for address in addresses:
                if not _MAIL_ADDRESS.fullmatch(address):
                    message = wording.settings.not_a_mail_address(quote(address))
                    raise InvalidValue(message, wording.settings.MAIL_ADDRESS_EXAMPLE, (name,))
        if host_and_port(self.smtp)[0] not in _LOOPBACK and self.tls == "none":
            raise InvalidValue(wording.settings.MAIL_WITHOUT_TLS, wording.settings.USE_STARTTLS, ("tls",))
        if bool(self.username) != (self.password_file is not None):
            raise InvalidValue(wording.settings.HALF_LOGIN, wording.settings.SET_BOTH_LOGIN, ("username",))

    def read_url(self) -> str:
        """Read each time, so that a replaced file counts at once."""
        return self.url.get_secret_value() if self.url else _read(self.url_file)

    def read_secret(self) -> str:
        return _read(self.secret_file)

    def read_password(self) -> str:
        return _read(self.password_file)


def _read(path: Path | None) -> str:
    return path.read_text().strip() if path else ""

"""The table ``[replicas]``: several replicas of ephd, and how traffic between them is protected."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from orchestrator.config import wording
from orchestrator.config.settings.setting_types import host_and_port, is_loopback
from programs.settings import InvalidValue, SettingsTable


class ReplicasSettings(SettingsTable):
    """Several replicas of ephd for the same repositories: one leads, and another takes over when it dies."""

    lease: Literal["none", "postgres"] = Field(
        default="none",
        description=(
            "none: there is only this ephd. postgres: replicas share the PostgreSQL in ledger_url and elect a leader."
        ),
    )
    shared: Path | None = Field(
        default=None,
        description=(
            "The folder that all replicas share: stacks, keys, records, previews. Each replica also has its own home."
        ),
    )
    url: str = Field(
        default="",
        description="The URL at which other replicas reach this one's API. Empty: https:// and the value of "
        "replicas.listen, or without it the value of listen with https:// if the API serves TLS there, else http://.",
    )
    listen: str = Field(
        default="",
        description="The address where the API also listens with TLS, for other replicas, as host:port. Needs "
        "replicas.certificate_file and replicas.key_file.",
    )
    certificate_file: Path | None = Field(
        default=None,
        description="The certificate of replicas.listen with its chain, in PEM. It must be valid for the host of "
        "replicas.url.",
    )
    key_file: Path | None = Field(default=None, description="The certificate's key, in PEM, without a passphrase.")
    ca_file: Path | None = Field(
        default=None,
        description="The certificate authority that other replicas' certificates must be issued by, in PEM. Empty: "
        "those that this machine trusts.",
    )
    encryption: Literal["tls", "external"] = Field(
        default="tls",
        description="What encrypts the traffic between replicas on different machines. tls: HTTPS. external: something "
        "else, such as a service mesh or a VPN, so replicas.url may be an http URL.",
    )

    @model_validator(mode="after")
    def _check_reachable(self) -> ReplicasSettings:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise InvalidValue(wording.settings.NOT_A_URL, wording.settings.REPLICA_URL_EXAMPLE, ("url",))
        if self.lease == "postgres" and self.shared is None:
            raise InvalidValue(wording.settings.NO_SHARED_FOLDER, wording.settings.SET_SHARED, ("shared",))
        return self

    @model_validator(mode="after")
    def _check_tls(self) -> ReplicasSettings:
        if self.listen:
            host_and_port(self.listen)
        parts = {"listen": self.listen, "certificate_file": self.certificate_file, "key_file": self.key_file}
        missing = next((name for name, value in parts.items() if not value), "")
        if missing and any(parts.values()):
            raise InvalidValue(wording.settings.REPLICA_TLS_INCOMPLETE, f"set replicas.{missing}", (missing,))
        return self

    def api_url(self, default: str) -> str:
        """Where other replicas reach this one, whose API is at ``default``."""
        return self.url.rstrip("/") or (f"https://{self.listen}" if self.listen else default)

    def accepts_url(self, url: str) -> bool:
        """Whether requests of people, with their tokens, may be sent to a replica there."""
        return self.encryption == "external" or url.startswith("https://") or is_loopback(urlsplit(url).hostname or "")

"""Vault, for the registry."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from orchestrator.secret_providers.port import SecretProvider
from orchestrator.secret_providers.references import check_reference
from orchestrator.secret_providers.registry import SecretProviderAdapter
from orchestrator.secret_providers.vault import wording
from programs.quoting import quote
from programs.settings import InvalidValue, SettingsTable

_PATH = r"[A-Za-z0-9._-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._ -]+)+"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class VaultSettings(SettingsTable):
    """Where Vault is, and one of three ways to log in."""

    address: str = Field(default="", description="Vault's URL, such as https://vault.example.com:8200.")
    token: SecretStr = Field(default=SecretStr(""), description="A token with read access to the secrets.")
    token_file: Path | None = Field(
        default=None, description="A file that contains the token; read again when Vault rejects the token."
    )
    role: str = Field(
        default="", description="Instead of a token: the role to log in with, with the token of a service account."
    )
    login: str = Field(default="auth/kubernetes/login", description="The path of that login.")
    jwt_file: Path = Field(
        default=Path("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        description="The file that contains the service account's token.",
    )
    namespace: str = Field(default="", description="The namespace, in Vault Enterprise.")
    ca_file: Path | None = Field(
        default=None, description="The certificates that Vault's certificate is checked against. Empty: the system's."
    )

    @model_validator(mode="after")
    def _check_address(self) -> VaultSettings:
        parts = urlsplit(self.address)
        allowed = ("http", "https") if parts.hostname in _LOOPBACK else ("https",)
        if self.address and (parts.scheme not in allowed or not parts.hostname or parts.path.strip("/")):
            raise InvalidValue(wording.not_a_url(quote(self.address)), wording.USE_A_URL, ("address",))
        return self

    def check_complete(self) -> None:
        sources = [bool(self.token.get_secret_value()), self.token_file is not None, bool(self.role)]
        if not self.address:
            raise InvalidValue(wording.NO_ADDRESS, wording.SET_ADDRESS)
        if sum(sources) != 1:
            raise InvalidValue(wording.NEEDS_ONE_LOGIN, wording.SET_ONE_LOGIN)


def open_vault(settings: VaultSettings) -> SecretProvider:
    from .vault_provider import VaultProvider

    settings.check_complete()
    return VaultProvider(settings)


def _check(reference: str) -> None:
    check_reference(reference, _PATH, wording.EXAMPLE, key_required=True)


ADAPTER = SecretProviderAdapter(
    "A key of a secret in Vault's KV store, version 2: MOUNT/PATH#KEY.", VaultSettings, open_vault, _check
)

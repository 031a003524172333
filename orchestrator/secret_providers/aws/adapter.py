"""AWS Secrets Manager, for the registry."""

from __future__ import annotations

from pydantic import Field

from orchestrator.secret_providers.aws import wording
from orchestrator.secret_providers.port import SecretProvider
from orchestrator.secret_providers.references import check_reference
from orchestrator.secret_providers.registry import SecretProviderAdapter
from programs.settings import SettingsTable

_NAME = r"[A-Za-z0-9/_+=.@-]{1,512}"
_PATH = rf"({_NAME}|arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{{12}}:secret:{_NAME})"


class SecretsManagerSettings(SettingsTable):
    """Where Secrets Manager is. Credentials come from AWS's default chain."""

    region: str = Field(default="", description="The region of secrets that aren't named by their ARN.")
    profile: str = Field(default="", description="The profile of the AWS configuration. Empty: the usual credentials.")
    endpoint: str = Field(default="", description="The URL of Secrets Manager's API. Empty: AWS's own.")


def open_secrets_manager(settings: SecretsManagerSettings) -> SecretProvider:
    from .secrets_manager import SecretsManager

    return SecretsManager(settings)


def _check(reference: str) -> None:
    check_reference(reference, _PATH, wording.EXAMPLE, key_required=False)


ADAPTER = SecretProviderAdapter(
    "A secret in AWS Secrets Manager, by name or ARN; with #KEY, a key of its JSON.",
    SecretsManagerSettings,
    open_secrets_manager,
    _check,
)

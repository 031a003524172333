"""Kubernetes, for the registry."""

from __future__ import annotations

from pydantic import Field

from orchestrator.secret_providers.kubernetes import wording
from orchestrator.secret_providers.port import SecretProvider
from orchestrator.secret_providers.references import check_reference
from orchestrator.secret_providers.registry import SecretProviderAdapter
from programs.settings import SettingsTable

_PATH = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"


class ClusterSecretsSettings(SettingsTable):
    """Which cluster contains the Secrets."""

    kubeconfig: str = Field(
        default="", description="The path of a kubeconfig. Empty: the cluster that ephd runs in, or its user's own."
    )
    context: str = Field(default="", description="The context of that kubeconfig. Empty: its current one.")


def open_cluster(settings: ClusterSecretsSettings) -> SecretProvider:
    from .cluster_secrets import ClusterSecrets

    return ClusterSecrets(settings)


def _check(reference: str) -> None:
    check_reference(reference, _PATH, wording.EXAMPLE, key_required=True)


ADAPTER = SecretProviderAdapter(
    "A key of a Kubernetes Secret: NAMESPACE/SECRET#KEY.", ClusterSecretsSettings, open_cluster, _check
)

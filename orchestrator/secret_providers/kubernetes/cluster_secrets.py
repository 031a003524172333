"""Reads Secrets from a cluster's API. The connection is lightkube's: kubeconfigs of every kind, or the pod's service
account."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import httpx2
from lightkube.config.client_adapter import Client, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError

from orchestrator.secret_providers.kubernetes.adapter import ClusterSecretsSettings
from orchestrator.secret_providers.port import REQUEST_TIMEOUT, SecretProviderUnavailable, UnreadableSecret
from orchestrator.secret_providers.references import split_key

_REJECTED = (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN)


class ClusterSecrets:
    """Each read has its own connection: reads are rare, and the kubeconfig's certificates and tokens are renewed."""

    def __init__(self, settings: ClusterSecretsSettings) -> None:
        self._settings = settings

    def describe(self, reference: str) -> str:
        return f"the Kubernetes Secret {reference}"

    def read(self, reference: str) -> bytes:
        found = split_key(reference)
        namespace, _, name = found.path.partition("/")
        answer = self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise UnreadableSecret(f"{self.describe(reference)} doesn't exist; create it")
        if answer.status_code in _REJECTED:
            raise UnreadableSecret(
                f"the cluster denies access to {self.describe(reference)}; "
                "allow Eph's account the verb get on that Secret"
            )
        if not answer.is_success:
            raise SecretProviderUnavailable(f"the cluster responded with {answer.status_code}; check its API server")
        return self._value(reference, found.key, answer)

    def _value(self, reference: str, key: str, answer: httpx2.Response) -> bytes:
        try:
            data: dict[str, Any] = answer.json().get("data") or {}
            if key in data:
                return base64.b64decode(data[key], validate=True)
        except (ValueError, AttributeError, TypeError, binascii.Error):
            raise SecretProviderUnavailable("the cluster's answer isn't a Secret; check the kubeconfig") from None
        raise UnreadableSecret(f"{self.describe(reference)} has no such key; add the key or use another one")

    def _get(self, path: str) -> httpx2.Response:
        try:
            with self._connect() as client:
                return client.get(path)
        except (ConfigError, KeyError, ValueError):
            where = self._settings.kubeconfig or "of this account"
            raise SecretProviderUnavailable(
                f"the kubeconfig {where} is invalid; check secret_providers.kubernetes"
            ) from None
        except (httpx2.HTTPError, OSError) as error:
            raise SecretProviderUnavailable(
                f"the cluster doesn't respond ({type(error).__name__}); check it and secret_providers.kubernetes"
            ) from None

    def _connect(self) -> httpx2.Client:
        file = self._settings.kubeconfig
        config = KubeConfig.from_file(file) if file else KubeConfig.from_env()
        found = config.get(context_name=self._settings.context or None)
        if found is None:
            raise ConfigError("no cluster is configured")
        return Client(found, ConnectionParams(timeout=httpx2.Timeout(REQUEST_TIMEOUT), trust_env=False))

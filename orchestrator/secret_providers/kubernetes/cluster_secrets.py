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

from orchestrator.secret_providers import wording as shared_wording
from orchestrator.secret_providers.kubernetes import wording
from orchestrator.secret_providers.kubernetes.adapter import ClusterSecretsSettings
from orchestrator.secret_providers.port import REQUEST_TIMEOUT, SecretProviderUnavailable, UnreadableSecret
from orchestrator.secret_providers.references import split_key

_REJECTED = (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN)


class ClusterSecrets:
    """Each read has its own connection: reads are rare, and the kubeconfig's certificates and tokens are renewed."""

    def __init__(self, settings: ClusterSecretsSettings) -> None:
        self._settings = settings

    def describe(self, reference: str) -> str:
        return wording.secret(reference)

    def read(self, reference: str) -> bytes:
        found = split_key(reference)
        namespace, _, name = found.path.partition("/")
        answer = self._get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise UnreadableSecret(wording.missing(self.describe(reference)))
        if answer.status_code in _REJECTED:
            raise UnreadableSecret(wording.denied(self.describe(reference)))
        if not answer.is_success:
            raise SecretProviderUnavailable(wording.failed(answer.status_code))
        return self._value(reference, found.key, answer)

    def _value(self, reference: str, key: str, answer: httpx2.Response) -> bytes:
        try:
            data: dict[str, Any] = answer.json().get("data") or {}
            if key in data:
                return base64.b64decode(data[key], validate=True)
        except (ValueError, AttributeError, TypeError, binascii.Error):
            raise SecretProviderUnavailable(wording.NOT_A_SECRET) from None
        raise UnreadableSecret(shared_wording.no_such_key(self.describe(reference)))

    def _get(self, path: str) -> httpx2.Response:
        try:
            with self._connect() as client:
                return client.get(path)
        except (ConfigError, KeyError, ValueError):
            raise SecretProviderUnavailable(wording.invalid_kubeconfig(self._settings.kubeconfig)) from None
        except (httpx2.HTTPError, OSError) as error:
            raise SecretProviderUnavailable(wording.unreachable(type(error).__name__)) from None

    def _connect(self) -> httpx2.Client:
        file = self._settings.kubeconfig
        config = KubeConfig.from_file(file) if file else KubeConfig.from_env()
        found = config.get(context_name=self._settings.context or None)
        if found is None:
            raise ConfigError
        return Client(found, ConnectionParams(timeout=httpx2.Timeout(REQUEST_TIMEOUT), trust_env=False))

"""Reads AWS Secrets Manager with boto3, which finds and renews the credentials."""

from __future__ import annotations

import json
import threading
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.secret_providers import wording as shared_wording
from orchestrator.secret_providers.aws import wording
from orchestrator.secret_providers.aws.adapter import SecretsManagerSettings
from orchestrator.secret_providers.port import REQUEST_TIMEOUT, SecretProviderUnavailable, UnreadableSecret
from orchestrator.secret_providers.references import KeyReference, split_key, text_value

_MISSING = ("ResourceNotFoundException", "InvalidRequestException")
"""The second one means that the secret is scheduled for deletion."""
_DENIED = ("AccessDeniedException", "AccessDenied", "DecryptionFailure")
_CONFIG = Config(
    connect_timeout=REQUEST_TIMEOUT, read_timeout=REQUEST_TIMEOUT, retries={"total_max_attempts": 2, "mode": "standard"}
)


class SecretsManager:
    """One client per region: a secret's ARN names its region."""

    def __init__(self, settings: SecretsManagerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}

    def describe(self, reference: str) -> str:
        return wording.secret(reference)

    def read(self, reference: str) -> bytes:
        found = split_key(reference)
        try:
            with self._lock:
                answer = self._client(_region(found.path) or self._settings.region).get_secret_value(
                    SecretId=found.path
                )
        except ClientError as error:
            raise self._translated(reference, str(error.response["Error"]["Code"])) from None
        except BotoCoreError as error:
            raise SecretProviderUnavailable(wording.unreachable(type(error).__name__)) from None
        return self._value(reference, found, answer)

    def _value(self, reference: str, found: KeyReference, answer: dict[str, Any]) -> bytes:
        whole = answer["SecretString"].encode() if "SecretString" in answer else bytes(answer["SecretBinary"])
        if not found.key:
            return whole
        try:
            keys = json.loads(whole)
        except ValueError:
            keys = None
        if not isinstance(keys, dict):
            raise UnreadableSecret(wording.not_an_object(self.describe(reference)))
        return text_value(keys, found.key, self.describe(reference))

    def _translated(self, reference: str, code: str) -> Exception:
        if code in _MISSING:
            return UnreadableSecret(shared_wording.missing(self.describe(reference)))
        if code in _DENIED:
            return UnreadableSecret(wording.denied(self.describe(reference), code))
        return SecretProviderUnavailable(wording.failed(code))

    def _client(self, region: str) -> Any:
        if self._session is None:
            self._session = boto3.Session(profile_name=self._settings.profile or None)
        if region not in self._clients:
            self._clients[region] = self._session.client(
                "secretsmanager",
                region_name=region or None,
                endpoint_url=self._settings.endpoint or None,
                config=_CONFIG,
            )
        return self._clients[region]


def _region(path: str) -> str:
    return path.split(":")[3] if path.startswith("arn:") else ""

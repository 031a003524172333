"""Reads Vault's KV store, version 2, by its HTTP API: one GET per secret.

Redirects aren't followed, because they would carry the token to another server.
"""

from __future__ import annotations

import ssl
import threading
from typing import Any
from urllib.parse import quote

import httpx

from orchestrator.secret_providers import wording as shared_wording
from orchestrator.secret_providers.port import REQUEST_TIMEOUT, SecretProviderUnavailable, UnreadableSecret
from orchestrator.secret_providers.references import split_key, text_value
from orchestrator.secret_providers.vault import wording
from orchestrator.secret_providers.vault.adapter import VaultSettings


class VaultProvider:
    """Logs in when it needs to, and again when Vault rejects its token."""

    def __init__(self, settings: VaultSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._token = ""

    def describe(self, reference: str) -> str:
        return wording.secret(reference)

    def read(self, reference: str) -> bytes:
        found = split_key(reference)
        mount, _, path = found.path.partition("/")
        answer = self._get(f"/v1/{quote(mount)}/data/{quote(path)}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise UnreadableSecret(shared_wording.missing(self.describe(reference)))
        self._check_status(answer, wording.access(self.describe(reference)))
        return self._value(reference, found.key, answer)

    def _value(self, reference: str, key: str, answer: httpx.Response) -> bytes:
        try:
            return text_value(answer.json()["data"]["data"], key, self.describe(reference))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UnreadableSecret(wording.not_in_store(self.describe(reference))) from None

    def _get(self, path: str) -> httpx.Response:
        """Vault answers 403 both for an expired token and for a missing policy, so a second try needs a new token."""
        with self._lock:
            is_new = not self._token
            answer = self._request("GET", path, self._current_token())
            if answer.status_code == httpx.codes.FORBIDDEN and not is_new:
                self._token = ""
                answer = self._request("GET", path, self._current_token())
            if answer.status_code == httpx.codes.FORBIDDEN:
                self._token = ""
            return answer

    def _current_token(self) -> str:
        settings = self._settings
        if not self._token and settings.token_file is not None:
            self._token = _read_text(settings.token_file)
        elif not self._token and settings.role:
            self._token = self._log_in()
        return self._token or settings.token.get_secret_value()

    def _log_in(self) -> str:
        body = {"role": self._settings.role, "jwt": _read_text(self._settings.jwt_file)}
        answer = self._request("POST", f"/v1/{self._settings.login}", "", body)
        self._check_status(answer, wording.login(self._settings.role))
        try:
            token: str = answer.json()["auth"]["client_token"]
        except (ValueError, KeyError, TypeError):
            raise UnreadableSecret(wording.NO_TOKEN) from None
        return token

    def _request(self, method: str, path: str, token: str, body: Any = None) -> httpx.Response:
        headers = {"X-Vault-Request": "true"}
        headers |= {"X-Vault-Token": token} if token else {}
        headers |= {"X-Vault-Namespace": self._settings.namespace} if self._settings.namespace else {}
        try:
            return self._connection().request(method, path, headers=headers, json=body)
        except httpx.HTTPError as error:
            raise SecretProviderUnavailable(wording.unreachable(self._settings.address, type(error).__name__)) from None

    def _connection(self) -> httpx.Client:
        if self._client is None:
            ca_file = self._settings.ca_file
            try:
                context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
            except OSError as error:
                problem = error.strerror or wording.NO_CERTIFICATE
                raise SecretProviderUnavailable(wording.unusable_ca_file(ca_file, problem)) from None
            self._client = httpx.Client(
                base_url=self._settings.address, timeout=REQUEST_TIMEOUT, verify=context, trust_env=False
            )
        return self._client

    def _check_status(self, answer: httpx.Response, what: str) -> None:
        """Vault's own messages aren't quoted: they may repeat a token."""
        code = answer.status_code
        if code == httpx.codes.FORBIDDEN or (code == httpx.codes.BAD_REQUEST and answer.request.method == "POST"):
            raise UnreadableSecret(wording.denied(what))
        if not answer.is_success:
            raise SecretProviderUnavailable(wording.failed(self._settings.address, code, _advice(code)))


def _advice(code: int) -> str:
    if code == httpx.codes.SERVICE_UNAVAILABLE:
        return wording.UNSEAL
    return wording.USE_ACTIVE_SERVER if code // 100 == 3 else wording.CHECK_LOG


def _read_text(path: Any) -> str:
    try:
        text: str = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else shared_wording.NOT_UTF8
        raise SecretProviderUnavailable(shared_wording.unreadable_file(path, reason)) from None
    return text

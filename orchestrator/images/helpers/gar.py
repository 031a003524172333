"""Google's Artifact Registry: an access token for an hour, for a service account's key or for this machine's account.

The account needs the role ``roles/artifactregistry.reader``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.images import wording
from orchestrator.images.errors import RegistryRefused
from orchestrator.images.helpers import token_requests
from orchestrator.images.helpers.issued_credentials import IssuedCredentials

USER = "oauth2accesstoken"
SCOPE = "https://www.googleapis.com/auth/cloud-platform.read-only"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 300
DEFAULT_LIFETIME = 3600.0
METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


class GarHelper:
    """``key_file``: a service account's key as JSON. None: the metadata server of this machine."""

    def __init__(self, key_file: Path | None = None, unix_now: Callable[[], float] = time.time) -> None:
        self._key_file, self._unix_now = key_file, unix_now

    def fetch(self, registry: str) -> IssuedCredentials:  # noqa: ARG002 - a token is for all of Google's registries
        if self._key_file is None:
            url = f"http://{os.environ.get('GCE_METADATA_HOST') or 'metadata.google.internal'}{METADATA_PATH}"
            return _issued(url, token_requests.get(url, {"Metadata-Flavor": "Google"}))
        key = token_requests.read_key_file(self._key_file, "client_email", "private_key", "private_key_id", "token_uri")
        form = {"grant_type": GRANT, "assertion": self._assertion(key, self._key_file)}
        return _issued(key["token_uri"], token_requests.post_form(key["token_uri"], form))

    def _assertion(self, key: Mapping[str, str], path: Path) -> str:
        import jwt  # few servers need it

        now = int(self._unix_now())
        claims = {"iss": key["client_email"], "scope": SCOPE, "aud": key["token_uri"]}
        times = {"iat": now, "exp": now + ASSERTION_SECONDS}
        try:
            return jwt.encode({**claims, **times}, key["private_key"], "RS256", headers={"kid": key["private_key_id"]})
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise RegistryRefused(wording.key_file_unreadable(path, "private_key", type(error).__name__)) from None


def _issued(url: str, answer: Mapping[str, Any]) -> IssuedCredentials:
    lasts = answer.get("expires_in")
    lifetime = float(lasts) if isinstance(lasts, int) else DEFAULT_LIFETIME
    return IssuedCredentials(USER, token_requests.text_of(answer, "access_token", url), lifetime)

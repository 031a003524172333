"""Authentication at a registry: answers the challenge of a 401 with a token (Bearer) or our credentials (Basic).

Of a challenge, only the service is used: the requested scope is always to pull from this one repository, so a registry
can't make us request more. Tokens are cached until they expire.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from orchestrator.images import registry_policy, wording
from orchestrator.images.errors import RegistryRefused
from orchestrator.images.registry_http import RegistryHttp
from orchestrator.images.registry_policy import RegistryPolicy
from programs.image_references import ImageReference
from programs.kit.caches import BoundedCache

MAX_BYTES = 256 * 1024
DEFAULT_TTL = 60.0
"""The token specification's default, if the response contains no lifetime."""
MAX_TTL = 3600.0
RENEW_BEFORE_SECONDS = 10.0
MAX_CACHED = 2000
_SCHEME = re.compile(r"(?:^|,)\s*(bearer|basic)\b", re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s",]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """``realm`` is empty for Basic."""

    realm: str = ""
    service: str = ""


def parse_challenge(header: str) -> Challenge | None:
    """None if there is no supported challenge. Bearer is preferred, because it reveals our password to one host
    only."""
    found = {match[1].lower(): match for match in _SCHEME.finditer(header[:4096])}
    if "bearer" in found:
        parameters = {
            key.lower(): quoted or bare for key, quoted, bare in _PARAMETER.findall(header[found["bearer"].end() :])
        }
        return Challenge(parameters["realm"], parameters.get("service", "")) if parameters.get("realm") else None
    return Challenge() if "basic" in found else None


class RegistryTokens:
    def __init__(self, policy: RegistryPolicy, http: RegistryHttp, now: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._http = http
        self._now = now
        self._headers: BoundedCache[tuple[str, str], tuple[str, float]] = BoundedCache(MAX_CACHED)

    def cached_header(self, image: ImageReference) -> str:
        """The last header that worked; empty if it has expired or there was none."""
        header, until = self._headers.get(_repository_key(image)) or ("", 0.0)
        return header if until > self._now() else ""

    def authenticate(self, image: ImageReference, challenge_header: str) -> str:
        """A header that should work; empty if we can't answer such a challenge."""
        challenge, (registry, _) = parse_challenge(challenge_header), _repository_key(image)
        if challenge is None:
            return ""
        if not challenge.realm:
            secret = self._policy.credentials_for(registry, registry)
            return self._cache(image, f"Basic {secret}", MAX_TTL) if secret else ""
        return self._fetch_token(image, challenge)

    def _fetch_token(self, image: ImageReference, challenge: Challenge) -> str:
        registry, repository = _repository_key(image)
        secret = self._policy.credentials_for(registry, _realm_host(challenge.realm, registry))
        params = {"scope": f"repository:{repository}:pull"}
        if challenge.service:
            params["service"] = challenge.service
        joint = "&" if "?" in challenge.realm else "?"
        headers = {"Authorization": f"Basic {secret}"} if secret else {}
        reply = self._http.request("GET", f"{challenge.realm}{joint}{urlencode(params)}", registry, headers, MAX_BYTES)
        if reply.status != httpx.codes.OK:
            return ""
        data = reply.json()
        token = (data.get("token") or data.get("access_token")) if isinstance(data, dict) else None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise RegistryRefused(wording.no_token(registry))
        lasts = data.get("expires_in")
        return self._cache(image, f"Bearer {token}", float(lasts) if isinstance(lasts, int) else DEFAULT_TTL)

    def _cache(self, image: ImageReference, header: str, ttl: float) -> str:
        until = self._now() + min(MAX_TTL, ttl) - RENEW_BEFORE_SECONDS
        self._headers.put(_repository_key(image), (header, until))
        return header


def _repository_key(image: ImageReference) -> tuple[str, str]:
    return registry_policy.host_of(image), registry_policy.repository_of(image)


def _realm_host(realm: str, registry: str) -> str:
    try:
        return httpx.URL(realm).netloc.decode("ascii").rpartition("@")[2]
    except (httpx.InvalidURL, ValueError):
        raise RegistryRefused(wording.invalid_token_url(registry)) from None

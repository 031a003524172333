"""Azure's Container Registry: a service principal's token, exchanged at the registry for its own refresh token.

The principal needs the role ``AcrPull``.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.images.helpers import token_requests
from orchestrator.images.helpers.issued_credentials import IssuedCredentials

USER = "00000000-0000-0000-0000-000000000000"
"""What an ACR expects if the password is a token."""
AUTHORITY = "https://login.microsoftonline.com"
SCOPE = "https://containerregistry.azure.net/.default"
LIFETIME = 3 * 3600.0
"""Of a refresh token; the answer doesn't contain it."""


class AcrHelper:
    """``key_file``: JSON with ``tenant``, ``client_id`` and ``client_secret``, and ``authority`` for a sovereign cloud.
    ``plain_http``: the registry has no TLS."""

    def __init__(self, key_file: Path, *, plain_http: bool = False) -> None:
        self._key_file, self._scheme = key_file, "http" if plain_http else "https"

    def fetch(self, registry: str) -> IssuedCredentials:
        key = token_requests.read_key_file(self._key_file, "tenant", "client_id", "client_secret")
        form = {name: key[name] for name in ("client_id", "client_secret")}
        login = f"{key['authority'] or AUTHORITY}/{key['tenant']}/oauth2/v2.0/token"
        answer = token_requests.post_form(login, {**form, "grant_type": "client_credentials", "scope": SCOPE})
        access = token_requests.text_of(answer, "access_token", login)
        exchange = f"{self._scheme}://{registry}/oauth2/exchange"
        wanted = {"grant_type": "access_token", "service": registry, "tenant": key["tenant"], "access_token": access}
        found = token_requests.post_form(exchange, wanted)
        return IssuedCredentials(USER, token_requests.text_of(found, "refresh_token", exchange), LIFETIME)

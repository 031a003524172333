"""Creates the identity provider that the settings describe."""

from __future__ import annotations

import time

from orchestrator.auth.roles import RolePolicy
from orchestrator.auth.sign_in.forge_provider import ForgeProvider
from orchestrator.auth.sign_in.oauth_client import OAuthClient
from orchestrator.auth.sign_in.oidc import Claims, OidcProvider
from orchestrator.auth.sign_in.people import PeopleSignIn
from orchestrator.auth.sign_in.port import IdentityProvider
from orchestrator.auth.token_service import TokenService
from orchestrator.config.settings.groups import AuthSettings
from orchestrator.forges import registry
from orchestrator.forges.settings import ForgeSettings


def open_sign_in(settings: AuthSettings, forge: ForgeSettings, tokens: TokenService) -> PeopleSignIn | None:
    """None if people can't sign in, but only tokens are accepted."""
    if settings.provider == "none":
        return None
    policy = RolePolicy(frozenset(settings.viewers), frozenset(settings.developers), frozenset(settings.admins))
    return PeopleSignIn(_provider(settings, forge), policy, settings.url.rstrip("/"), tokens, settings.session)


def _provider(settings: AuthSettings, forge: ForgeSettings) -> IdentityProvider:
    secret = settings.client_secret.get_secret_value()
    create_accounts = registry.get(forge.kind).accounts
    if settings.provider == "forge" and create_accounts is not None:
        accounts = create_accounts(forge)
        groups = (*settings.viewers, *settings.developers, *settings.admins)
        client = OAuthClient(settings.client_id, secret, accounts.endpoints.scopes)
        return ForgeProvider(accounts, client, with_teams=any("/" in group for group in groups))
    client = OAuthClient(settings.client_id, secret, settings.scopes)
    return OidcProvider(settings.issuer, client, Claims(settings.name_claim, settings.groups_claim), time.time)

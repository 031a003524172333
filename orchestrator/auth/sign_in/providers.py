"""Creates the identity provider that the settings describe."""

from __future__ import annotations

import time

from orchestrator.auth.roles import RolePolicy
from orchestrator.auth.sign_in import github
from orchestrator.auth.sign_in.github import GithubProvider
from orchestrator.auth.sign_in.oauth_client import OAuthClient
from orchestrator.auth.sign_in.oidc import Claims, OidcProvider
from orchestrator.auth.sign_in.people import PeopleSignIn
from orchestrator.auth.sign_in.port import IdentityProvider
from orchestrator.auth.token_service import TokenService
from orchestrator.config.settings.groups import AuthSettings


def open_sign_in(settings: AuthSettings, tokens: TokenService) -> PeopleSignIn | None:
    """None if people can't sign in, but only tokens are accepted."""
    if settings.provider == "none":
        return None
    policy = RolePolicy(frozenset(settings.viewers), frozenset(settings.developers), frozenset(settings.admins))
    return PeopleSignIn(_provider(settings), policy, settings.url.rstrip("/"), tokens, settings.session)


def _provider(settings: AuthSettings) -> IdentityProvider:
    secret = settings.client_secret.get_secret_value()
    if settings.provider == "github":
        groups = (*settings.viewers, *settings.developers, *settings.admins)
        return GithubProvider(
            OAuthClient(settings.client_id, secret, github.SCOPES),
            settings.issuer or github.WEB_URL,
            settings.api_url or github.API_URL,
            with_teams=any("/" in group for group in groups),
        )
    client = OAuthClient(settings.client_id, secret, settings.scopes)
    return OidcProvider(settings.issuer, client, Claims(settings.name_claim, settings.groups_claim), time.time)

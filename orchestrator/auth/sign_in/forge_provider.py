"""Sign-in with the Git host's accounts, where they speak OAuth but not OpenID Connect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from orchestrator.auth.sign_in.attempts import Attempt
from orchestrator.auth.sign_in.oauth_client import Endpoints, OAuthClient
from orchestrator.auth.sign_in.port import Person, SignInFailed
from orchestrator.forges.accounts import AccountsUnavailable, ForgeAccounts


@dataclass(frozen=True, slots=True)
class ForgeProvider:
    """``with_teams``: whether any role is given to a team; otherwise teams aren't read."""

    accounts: ForgeAccounts
    client: OAuthClient
    with_teams: bool

    @property
    def label(self) -> str:
        return self.accounts.label

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        return self.client.authorization_url(self._endpoints, attempt, redirect_uri)

    async def identify(self, code: str, attempt: Attempt, redirect_uri: str) -> Person:
        token = await self.client.exchange(self._endpoints, code, attempt, redirect_uri)
        try:
            found = await asyncio.to_thread(self.accounts.account, str(token.get("access_token", "")), self.with_teams)
        except AccountsUnavailable as error:
            raise SignInFailed(str(error)) from error
        return Person(found.login, found.groups)

    @property
    def _endpoints(self) -> Endpoints:
        return Endpoints(self.accounts.endpoints.authorize, self.accounts.endpoints.token)

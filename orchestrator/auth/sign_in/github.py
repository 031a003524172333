"""GitHub, which speaks OAuth but not OpenID Connect. Organizations and teams (``acme``, ``acme/core``) are groups."""

from __future__ import annotations

from typing import Any

from orchestrator.auth.sign_in import oauth_client
from orchestrator.auth.sign_in.attempts import Attempt
from orchestrator.auth.sign_in.oauth_client import Endpoints, OAuthClient
from orchestrator.auth.sign_in.port import Person, SignInFailed

WEB_URL = "https://github.com"
API_URL = "https://api.github.com"
SCOPES = ("read:user", "read:org")
_PAGE = 100
_MAX_PAGES = 10


class GithubProvider:
    """``with_teams``: whether any role is given to a team; otherwise teams aren't read."""

    def __init__(
        self, client: OAuthClient, web_url: str = WEB_URL, api_url: str = API_URL, with_teams: bool = True
    ) -> None:
        self._client, self._api_url, self._with_teams = client, api_url.rstrip("/"), with_teams
        base = f"{web_url.rstrip('/')}/login/oauth"
        self._endpoints = Endpoints(f"{base}/authorize", f"{base}/access_token")

    @property
    def label(self) -> str:
        return "GitHub"

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        return self._client.authorization_url(self._endpoints, attempt, redirect_uri)

    async def identify(self, code: str, attempt: Attempt, redirect_uri: str) -> Person:
        token = str((await self._client.exchange(self._endpoints, code, attempt, redirect_uri)).get("access_token", ""))
        user = await oauth_client.get_json(f"{self._api_url}/user", token)
        login = user.get("login") if isinstance(user, dict) else None
        if not isinstance(login, str) or not login:
            raise SignInFailed("GitHub didn't say who you are.")
        return Person(login, frozenset(await self._groups(token)))

    async def _groups(self, token: str) -> list[str]:
        groups = [str(item["login"]) for item in await self._list("/user/orgs", token)]
        if self._with_teams:
            teams = await self._list("/user/teams", token)
            groups += [f"{item['organization']['login']}/{item['slug']}" for item in teams]
        return groups

    async def _list(self, path: str, token: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, _MAX_PAGES + 1):
            items = await oauth_client.get_json(f"{self._api_url}{path}?per_page={_PAGE}&page={page}", token)
            found += items
            if len(items) < _PAGE:
                break
        return found

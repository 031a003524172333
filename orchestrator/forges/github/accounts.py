"""GitHub's accounts, for sign-in with an OAuth app or a GitHub App."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException

from orchestrator.forges.accounts import Account, AccountsUnavailable, OAuthEndpoints
from orchestrator.forges.github import wording
from orchestrator.forges.github.settings import GitHubSettings

SCOPES = ("read:user", "read:org")
TIMEOUT = 10


class GitHubAccounts:
    def __init__(self, settings: GitHubSettings) -> None:
        self._api_url = settings.url

    @property
    def label(self) -> str:
        return "GitHub"

    @property
    def endpoints(self) -> OAuthEndpoints:
        base = f"{web_url(self._api_url)}/login/oauth"
        return OAuthEndpoints(f"{base}/authorize", f"{base}/access_token", SCOPES)

    def account(self, access_token: str, with_teams: bool) -> Account:
        if not access_token:
            raise AccountsUnavailable(wording.NO_ACCESS_TOKEN)
        try:
            with Github(auth=Auth.Token(access_token), base_url=self._api_url, timeout=TIMEOUT, retry=None) as client:
                user = client.get_user()
                groups = {organization.login for organization in user.get_orgs()}
                if with_teams:
                    groups |= {f"{team.organization.login}/{team.slug}" for team in user.get_teams()}
                return Account(user.login, frozenset(groups))
        except GithubException as error:
            raise AccountsUnavailable(wording.sign_in_failed(error.status)) from error
        except requests.RequestException as error:
            raise AccountsUnavailable(wording.no_sign_in_response(type(error).__name__)) from error


def web_url(api_url: str) -> str:
    """The website of an API: ``https://api.github.com`` and ``https://HOST/api/v3`` have one."""
    parts = urlsplit(api_url)
    host = parts.netloc.removeprefix("api.") if parts.netloc.startswith("api.github.") else parts.netloc
    return f"{parts.scheme}://{host}"

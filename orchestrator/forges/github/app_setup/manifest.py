"""The manifest of the App: what GitHub shows to the person before it creates the App. docs/how-to/github-app.md lists
the same permissions, with the reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.forges.app_setup import SetupFailed, SetupRequest
from orchestrator.forges.github.app_setup import wording

DEFAULT_URL, DEFAULT_API_URL = "https://github.com", "https://api.github.com"
_ORGANISATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")
WEBHOOK_PATH = "/api/v1/webhooks/github"
PERMISSIONS: Mapping[str, str] = {
    "metadata": "read",
    "contents": "read",
    "pull_requests": "write",
    "issues": "write",
    "checks": "write",
    "statuses": "write",
    "deployments": "write",
}
EVENTS = ("check_run", "check_suite", "issue_comment", "pull_request", "push", "repository", "status")


@dataclass(frozen=True, slots=True)
class AppRequest:
    """``organisation`` is empty for an App of the person. ``url``: Eph's own, which receives webhooks; empty: none."""

    name: str
    organisation: str = ""
    url: str = ""
    github_url: str = DEFAULT_URL
    api_url: str = DEFAULT_API_URL

    @property
    def webhook_url(self) -> str:
        return f"{self.url}{WEBHOOK_PATH}" if self.url else ""

    def new_app_url(self, state: str) -> str:
        owner = f"organizations/{self.organisation}/" if self.organisation else ""
        return f"{self.github_url}/{owner}settings/apps/new?state={state}"


def build(request: AppRequest, redirect_url: str) -> dict[str, object]:
    """Without a webhook, GitHub still wants an address, which stays inactive."""
    found: dict[str, object] = {
        "name": request.name,
        "url": request.url or request.github_url,
        "redirect_url": redirect_url,
        "public": False,
        "default_permissions": dict(PERMISSIONS),
        "default_events": list(EVENTS),
        "hook_attributes": {"url": request.webhook_url or request.github_url, "active": bool(request.url)},
    }
    return found


def read(asked: SetupRequest) -> AppRequest:
    """GitHub Enterprise Server has its API below its own host."""
    if asked.owner and not _ORGANISATION.fullmatch(asked.owner):
        raise SetupFailed(wording.not_an_organisation(asked.owner), usage=True)
    host = _web_url(asked.host or DEFAULT_URL)
    api = _web_url(asked.api or (DEFAULT_API_URL if host == DEFAULT_URL else f"{host}/api/v3"))
    name = asked.name or f"{asked.owner or 'my'}-previews"
    return AppRequest(name, asked.owner, _web_url(asked.url) if asked.url else "", host, api)


def _web_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SetupFailed(wording.not_a_url(value), wording.USE_HTTP_URL, usage=True)
    return value.rstrip("/")

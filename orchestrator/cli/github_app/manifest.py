"""The manifest of the App: what GitHub shows to the person before it creates the App. docs/how-to/github-app.md lists
the same permissions, with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    github_url: str = "https://github.com"
    api_url: str = "https://api.github.com"

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

"""Exchanges the code of the manifest flow for the App, once: GitHub forgets the code afterwards, and after an hour."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from orchestrator.forges.app_setup import SetupFailed
from orchestrator.forges.github.app_setup import wording

TIMEOUT = 30.0
_CREATED = 201


@dataclass(frozen=True, slots=True)
class CreatedApp:
    """``owner``: the organisation or person that the App belongs to. ``page``: where it can be installed."""

    id: str
    slug: str
    page: str
    owner: str
    private_key: str
    webhook_secret: str = ""

    def __repr__(self) -> str:
        return f"CreatedApp({self.slug})"  # without its secrets

    @property
    def install_url(self) -> str:
        return f"{self.page}/installations/new"


def convert(api_url: str, code: str) -> CreatedApp:
    url = f"{api_url}/app-manifests/{quote(code, safe='')}/conversions"
    headers = {"Accept": "application/vnd.github+json", "User-Agent": "eph"}
    try:
        answer = httpx.post(url, headers=headers, timeout=TIMEOUT)
    except httpx.HTTPError as error:
        raise SetupFailed(wording.unreachable(api_url, error), wording.START_AGAIN) from error
    if answer.status_code != _CREATED:
        raise SetupFailed(wording.not_converted(answer.status_code), wording.START_AGAIN)
    try:
        return _read(json.loads(answer.content))
    except (ValueError, KeyError, TypeError) as error:
        raise SetupFailed(wording.UNREADABLE_APP, wording.START_AGAIN) from error


def _read(data: dict[str, Any]) -> CreatedApp:
    found = CreatedApp(
        id=str(int(data["id"])),
        slug=str(data["slug"]),
        page=str(data["html_url"]),
        owner=str(data["owner"]["login"]),
        private_key=str(data["pem"]),
        webhook_secret=str(data.get("webhook_secret") or ""),
    )
    if "PRIVATE KEY" not in found.private_key:
        raise ValueError
    return found

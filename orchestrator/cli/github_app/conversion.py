"""Exchanges the code of the manifest flow for the App, once: GitHub forgets the code afterwards, and after an hour."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from orchestrator.cli import plain_http, wording
from orchestrator.cli.cli_errors import CliError, ExitCode

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
        answer = plain_http.post(url, headers, TIMEOUT, trust_env=True)
    except plain_http.HttpFailure as error:
        message = wording.setup.unreachable(api_url, error)
        raise CliError(message, wording.setup.START_AGAIN, ExitCode.UNREACHABLE) from error
    if answer.status != _CREATED:
        raise CliError(wording.setup.not_converted(answer.status), wording.setup.START_AGAIN)
    try:
        return _read(json.loads(answer.content))
    except (ValueError, KeyError, TypeError) as error:
        raise CliError(wording.setup.UNREADABLE_APP, wording.setup.START_AGAIN) from error


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

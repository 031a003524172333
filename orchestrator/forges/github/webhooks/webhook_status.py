"""GitHub's view of its webhooks: their URLs and the last deliveries. Read-only.

An App has one webhook for all installations, and can read it with its JWT. Without an App each repository has its own
webhooks, which a token can read only with admin permission.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.forges.github import wording
from orchestrator.forges.github.http.connections import AppConnections, ConnectionProvider
from orchestrator.forges.github.http.transport import Transport
from orchestrator.forges.port import ForgeError, Repository
from orchestrator.forges.webhooks import PastDelivery, WebhookStatus

MAX_DELIVERIES = 10
MAX_REPOSITORIES = 3


def read(connections: ConnectionProvider, transport: Transport, repositories: Sequence[Repository]) -> WebhookStatus:
    try:
        if isinstance(connections, AppConnections):
            line = connections.app_connection
            url = line.get("/app/hook/config", _url)
            return WebhookStatus(
                (url,) if url else (), tuple(line.get(f"/app/hook/deliveries?per_page={MAX_DELIVERIES}", _deliveries))
            )
        return _from_repositories(transport, repositories[:MAX_REPOSITORIES])
    except ForgeError as error:
        return WebhookStatus(note=wording.webhooks_unreadable(error))


def _from_repositories(transport: Transport, repositories: Sequence[Repository]) -> WebhookStatus:
    urls: list[str] = []
    past: list[PastDelivery] = []
    for repository in repositories:
        path = f"/repos/{repository.full_name}/hooks"
        for number, url in transport.get(path, _hooks):
            urls.append(url)
            past += transport.get(f"{path}/{number}/deliveries?per_page={MAX_DELIVERIES}", _deliveries)
    newest = sorted(past, key=lambda item: item.delivered_at, reverse=True)[:MAX_DELIVERIES]
    return WebhookStatus(tuple(dict.fromkeys(urls)), tuple(newest))


def _url(data: Any) -> str:
    return str(data.get("url") or "")


def _hooks(data: Any) -> list[tuple[int, str]]:
    return [(int(item["id"]), str(item["config"]["url"])) for item in data]


def _deliveries(data: Any) -> list[PastDelivery]:
    return [
        PastDelivery(
            str(item["guid"]), str(item["event"]), str(item["delivered_at"]), f"{item['status_code']} {item['status']}"
        )
        for item in data
    ]

"""What GitHub says of its own webhooks: where they go and what became of the last ones. Nothing here changes anything.

An App has one hook for all that it is installed at, and may look at it with its ticket. Without an App each repository
has hooks of its own, which a token may see only when it administers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.forge.github.accounts import Accounts, ByApp
from orchestrator.forge.github.transport import Transport
from orchestrator.forge.port import ForgeError, Repository

MOST = 10
REPOSITORIES = 3


@dataclass(frozen=True, slots=True)
class Past:
    """One delivery, as the Git host remembers it."""

    id: str
    event: str
    at: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Hooks:
    """``urls``: where the Git host sends. ``note``: why it could not be asked; empty when it could."""

    urls: tuple[str, ...] = ()
    past: tuple[Past, ...] = ()
    note: str = ""


def look(accounts: Accounts, board: Transport, repositories: Sequence[Repository]) -> Hooks:
    try:
        if isinstance(accounts, ByApp):
            line = accounts.ticket
            url = line.get("/app/hook/config", _url)
            return Hooks((url,) if url else (), tuple(line.get(f"/app/hook/deliveries?per_page={MOST}", _past)))
        return _of_repositories(board, repositories[:REPOSITORIES])
    except ForgeError as error:
        return Hooks(note=f"the Git host does not let us look at its webhooks: {error}")


def _of_repositories(board: Transport, repositories: Sequence[Repository]) -> Hooks:
    urls: list[str] = []
    past: list[Past] = []
    for repository in repositories:
        path = f"/repos/{repository.full_name}/hooks"
        for number, url in board.get(path, _hooks):
            urls.append(url)
            past += board.get(f"{path}/{number}/deliveries?per_page={MOST}", _past)
    newest = sorted(past, key=lambda item: item.at, reverse=True)[:MOST]
    return Hooks(tuple(dict.fromkeys(urls)), tuple(newest))


def _url(data: Any) -> str:
    return str(data.get("url") or "")


def _hooks(data: Any) -> list[tuple[int, str]]:
    return [(int(item["id"]), str(item["config"]["url"])) for item in data]


def _past(data: Any) -> list[Past]:
    return [
        Past(
            str(item["guid"]), str(item["event"]), str(item["delivered_at"]), f"{item['status_code']} {item['status']}"
        )
        for item in data
    ]

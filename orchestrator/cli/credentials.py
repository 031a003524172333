"""The tokens that ``eph auth login`` stored, one for each server, in a file that only the user can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.cli import server_files


def path() -> Path:
    return server_files.config_folder() / "credentials.json"


def token_for(url: str) -> str:
    """Empty if the user isn't signed in there."""
    return str(_servers().get(server_files.key(url), ""))


def urls() -> list[str]:
    """The servers where the user is signed in, the latest last."""
    return list(_servers())


def last_url() -> str:
    """The server of the latest sign-in; empty if there is none."""
    return next(reversed(_servers()), "")


def store(url: str, token: str) -> Path:
    server_files.write_by_server(path(), {**_others(url), server_files.key(url): token})
    return path()


def remove(url: str) -> None:
    server_files.write_by_server(path(), _others(url))


def _others(url: str) -> dict[str, Any]:
    return {key: value for key, value in _servers().items() if key != server_files.key(url)}


def _servers() -> dict[str, Any]:
    return server_files.by_server(path())

"""The tokens that ``eph auth login`` stored, one for each server, in a file that only the user can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.cli.discovery import config_folder


def path() -> Path:
    return config_folder() / "credentials.json"


def token_for(url: str) -> str:
    """Empty if the user isn't signed in there."""
    return str(_servers().get(url.rstrip("/"), ""))


def urls() -> list[str]:
    """The servers where the user is signed in, the latest last."""
    return list(_servers())


def last_url() -> str:
    """The server of the latest sign-in; empty if there is none."""
    return next(reversed(_servers()), "")


def store(url: str, token: str) -> Path:
    kept = {key: value for key, value in _servers().items() if key != url.rstrip("/")}
    return _write({**kept, url.rstrip("/"): token})


def remove(url: str) -> None:
    _write({key: value for key, value in _servers().items() if key != url.rstrip("/")})


def _servers() -> dict[str, Any]:
    try:
        found = json.loads(path().read_text()).get("servers", {})
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(servers: dict[str, Any]) -> Path:
    from programs.kit import files

    target = path()
    files.write(target, json.dumps({"servers": servers}, indent=2), mode=0o600)
    return target

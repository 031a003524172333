"""The tokens that ``eph auth login`` stored, one for each server, in a file that only the user can read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from programs.kit import files


def path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "eph" / "credentials.json"


def token_for(url: str) -> str:
    """Empty if the user isn't signed in there."""
    return str(_servers().get(url.rstrip("/"), ""))


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
    target = path()
    files.write(target, json.dumps({"servers": servers}, indent=2), mode=0o600)
    return target

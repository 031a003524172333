"""The admin token of this machine, which authenticates the local ``eph``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from orchestrator.config import file_names

MIN_LENGTH = 32
OWNER = "local"
"""Its name in the audit trail."""


def token_file(home: Path) -> Path:
    return home / file_names.KEYS / file_names.API_TOKEN


def local_token(home: Path) -> str:
    """Creates the file (0600) if it doesn't exist. ``home`` is the folder that replicas share."""
    path = token_file(home)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_token(path)
    with os.fdopen(handle, "w") as file:
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
    return token


def revoke(home: Path) -> None:
    """The next start creates another one."""
    token_file(home).unlink(missing_ok=True)


def _read_token(path: Path) -> str:
    token = path.read_text().strip()
    if len(token) < MIN_LENGTH:
        raise ValueError(
            f"{path} contains no token of at least {MIN_LENGTH} characters. Delete the file and restart ephd."
        )
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return token

"""The keys that variables of environments are encrypted with, and their rotation."""

from __future__ import annotations

import secrets
from pathlib import Path

from orchestrator.config import wording
from orchestrator.config.server_keys import KEY_BYTES, InvalidKey, server_key
from orchestrator.config.variable_vault import variables_key
from programs.kit import files

_FILE = "variables.keys"


def variable_keys(keys_dir: Path) -> tuple[bytes, ...]:
    """The keys that variables of environments are encrypted with, the newest first. Empty: they were never rotated, so
    it is the one that is derived from the server's key. Raises InvalidKey."""
    path = keys_dir / _FILE
    try:
        found = tuple(bytes.fromhex(line) for line in path.read_text().split())
    except FileNotFoundError:
        return ()
    except ValueError:
        found = ()
    if not found or any(len(key) != KEY_BYTES for key in found):
        raise InvalidKey(wording.secrets.variable_keys_damaged(path))
    return found


def begin_rotation(keys_dir: Path) -> tuple[bytes, ...]:
    """Adds a new key for variables, unless an earlier rotation was interrupted."""
    known = variable_keys(keys_dir) or (variables_key(server_key(keys_dir)),)
    if len(known) == 1:
        known = (secrets.token_bytes(KEY_BYTES), *known)
        _write_variable_keys(keys_dir, known)
    return known


def end_rotation(keys_dir: Path) -> None:
    """Removes all but the newest key for variables."""
    _write_variable_keys(keys_dir, variable_keys(keys_dir)[:1])


def _write_variable_keys(keys_dir: Path, keys: tuple[bytes, ...]) -> None:
    files.write(keys_dir / _FILE, "".join(f"{key.hex()}\n" for key in keys), durable=True)

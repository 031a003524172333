"""The server's own secrets on disk: the key that names are derived from, and the passphrase of stacks.

They are created once and then only read: a new key would rename every environment, and a new passphrase would make
every stack unreadable. Two servers that start at once end up with the same key, because a file gets its name only when
it is complete, and only if the name isn't taken.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stat
from pathlib import Path

from orchestrator.config import wording
from orchestrator.config.variable_vault import variables_key
from programs.kit import files

KEY_BYTES = 32
_VARIABLE_KEYS = "variables.keys"


class InvalidKey(Exception):
    """An invalid key file; the message says what to do."""


def server_key(keys_dir: Path) -> bytes:
    """The key behind everything that must not be guessable: 32 random bytes."""
    path = keys_dir / "server.key"
    key = read_or_create(path, secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise InvalidKey(wording.secrets.key_damaged(path, len(key), KEY_BYTES))
    return key


def server_id(keys_dir: Path) -> str:
    """Ten digits that distinguish this server from any other, even one with the same name. They reveal nothing about
    the key."""
    return hmac.new(server_key(keys_dir), b"identity", hashlib.sha256).hexdigest()[:10]


def passphrase_file(keys_dir: Path, configured: Path | None = None) -> Path:
    """The file with the passphrase that encrypts secrets in stacks, for PULUMI_CONFIG_PASSPHRASE_FILE. ``configured``
    is the operator's own file, such as a mounted Secret; its permissions are up to the operator."""
    if configured is not None:
        return _check_passphrase_file(configured)
    path = keys_dir / "passphrase"
    if not read_or_create(path, secrets.token_hex(KEY_BYTES).encode()).strip():
        raise InvalidKey(wording.secrets.key_empty(path))
    return path


def variable_keys(keys_dir: Path) -> tuple[bytes, ...]:
    """The keys that variables of environments are encrypted with, the newest first. Empty: they were never rotated, so
    it is the one that is derived from the server's key. Raises InvalidKey."""
    path = keys_dir / _VARIABLE_KEYS
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
    files.write(keys_dir / _VARIABLE_KEYS, "".join(f"{key.hex()}\n" for key in keys), durable=True)


def _check_passphrase_file(path: Path) -> Path:
    try:
        if path.read_text(encoding="utf-8").strip():
            return path
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else wording.secrets.NOT_UTF_8
        raise InvalidKey(wording.secrets.passphrase_unreadable(path, reason)) from error
    raise InvalidKey(wording.secrets.passphrase_empty(path))


def read_or_create(path: Path, initial: bytes) -> bytes:
    """The content of the file, which is created with ``initial`` if it doesn't exist."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        files.create(path, initial)  # another server may be faster: then its key counts
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise InvalidKey(wording.secrets.readable_by_others(path, mode))
    return path.read_bytes()

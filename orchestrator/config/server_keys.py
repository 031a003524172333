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

from orchestrator.config import file_names, wording
from programs.kit import files

KEY_BYTES = 32


class InvalidKey(Exception):
    """An invalid key file; the message says what to do."""


def server_key(keys_dir: Path) -> bytes:
    """The key behind everything that must not be guessable: 32 random bytes."""
    path = keys_dir / file_names.SERVER_KEY
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
    path = keys_dir / file_names.PASSPHRASE
    if not read_or_create(path, secrets.token_hex(KEY_BYTES).encode()).strip():
        raise InvalidKey(wording.secrets.key_empty(path))
    return path


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

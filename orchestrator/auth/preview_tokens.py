"""Tokens that open protected previews: a file with one token per line, shared by ephd and the gateway."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from orchestrator.auth import wording
from orchestrator.config import file_names
from orchestrator.config.server_keys import KEY_BYTES, InvalidKey, read_or_create
from programs.kit import files

MIN_TOKEN_LENGTH = 24
"""Shorter preview tokens could be guessed, so they are ignored."""


def preview_tokens_file(keys_dir: Path) -> Path:
    """The file with the tokens. An operator can add lines."""
    preview_token(keys_dir)
    return keys_dir / file_names.PREVIEW_TOKENS


def preview_token(keys_dir: Path) -> str:
    """The first token of the file, for requests from this machine. Creates the file if it doesn't exist."""
    path = keys_dir / file_names.PREVIEW_TOKENS
    content = read_or_create(path, secrets.token_urlsafe(KEY_BYTES).encode() + b"\n")
    found = next(iter(parse_tokens(content)), b"").decode("utf-8", "replace")
    if not found:
        raise InvalidKey(wording.preview_token_too_short(path, MIN_TOKEN_LENGTH))
    return found


def rotate(keys_dir: Path) -> None:
    """Replaces the first token. Those that an operator added stay, and so do comments."""
    current = preview_token(keys_dir)
    path = keys_dir / file_names.PREVIEW_TOKENS
    kept = path.read_text().replace(current, secrets.token_urlsafe(KEY_BYTES), 1)
    files.write(path, kept, durable=True)


def parse_tokens(content: bytes) -> tuple[bytes, ...]:
    """Skips empty lines, comments (``#``) and tokens that are too short."""
    found = (line.strip() for line in content.split(b"\n"))
    return tuple(line for line in found if len(line) >= MIN_TOKEN_LENGTH and not line.startswith(b"#"))


def host_token(token: bytes, host: str) -> str:
    """A token for one environment: its host, and the hosts of its public services. Test suites get one, because they
    run code from the pull request, which must not open other previews."""
    key = hmac.digest(token, b"eph preview host", "sha256")
    return hmac.new(key, host.encode(), hashlib.sha256).hexdigest()


def sign_cookie(token: bytes, host: str, until: str) -> str:
    """The signature of a preview's cookie. It follows from the token, so removing a token revokes its cookies."""
    key = hmac.digest(token, b"eph preview cookie", "sha256")
    return hmac.new(key, f"{host}\n{until}".encode(), hashlib.sha256).hexdigest()

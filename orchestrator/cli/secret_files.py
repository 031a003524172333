"""Recognizes files that probably contain secrets, by their names and by well-known forms of keys and tokens."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

NAMES = (
    ".env", ".env.*", "*.env", ".netrc", ".git-credentials", ".htpasswd", ".pgpass", ".pypirc", ".dockercfg",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore",
    "*.kdbx", "*.tfstate", "*.tfstate.backup", "kubeconfig", "credentials.json", "service-account*.json",
)  # fmt: skip
PATHS = ("*.aws/credentials", "*.docker/config.json", "*.kube/config")
HARMLESS = ("*.example", "*.sample", "*.template", "*.dist", "*.pub")
"""Files that are there to be copied and filled in, and public keys."""
CONTENT = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
    rb"|\bAKIA[0-9A-Z]{16}\b"
    rb"|\bgh[pousr]_[A-Za-z0-9]{36}"
    rb"|\b[a-z]{1,20}_pat_[A-Za-z0-9_]{50}"
    rb"|\bglpat-[A-Za-z0-9_-]{20}"
    rb"|\bxox[abprs]-[A-Za-z0-9-]{20}"
    rb"|\bsk_live_[A-Za-z0-9]{20}"
)
MAX_CONTENT = 256 * 1024
"""In bytes: only the start of a file is searched."""


def looks_secret(folder: Path, path: str) -> bool:
    """``path`` is relative to ``folder``."""
    name = Path(path).name.lower()
    if any(fnmatchcase(name, pattern) for pattern in HARMLESS):
        return False
    named = any(fnmatchcase(name, pattern) for pattern in NAMES)
    placed = any(fnmatchcase(path.lower(), pattern) for pattern in PATHS)
    return named or placed or _contains_secret(folder / path)


def _contains_secret(file: Path) -> bool:
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as opened:
        return CONTENT.search(opened.read(MAX_CONTENT)) is not None

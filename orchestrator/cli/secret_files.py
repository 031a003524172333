"""Recognizes files that probably contain secrets, by their names and by well-known forms of keys and tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

NAMES = (
    ".env", ".env.*", "*.env", ".netrc", ".git-credentials", ".htpasswd", ".pgpass", ".pypirc", ".dockercfg",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore",
    "*.kdbx", "*.tfstate", "*.tfstate.backup", "kubeconfig", "credentials.json", "service-account*.json",
)  # fmt: skip
PATHS = ("*.aws/credentials", "*.docker/config.json", "*.kube/config")
HARMLESS = ("*.example", "*.sample", "*.template", "*.dist", "*.pub")
"""Names of files that are there to be copied and filled in, and of public keys. Their content is checked too."""
CONTENT = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
    rb"|\bAKIA(?![0-9A-Z]{9}EXAMPLE)[0-9A-Z]{16}\b"  # the one of AWS' documentation is in many files
    rb"|\bgh[pousr]_[A-Za-z0-9]{36}"
    rb"|\b[a-z]{1,20}_pat_[A-Za-z0-9_]{50}"
    rb"|\bglpat-[A-Za-z0-9_-]{20}"
    rb"|\bxox[abprs]-[A-Za-z0-9-]{20}"
    rb"|\bsk_live_[A-Za-z0-9]{20}"
)
MAX_CONTENT = 256 * 1024
"""In bytes: only the start of a file is searched."""


def looks_secret(path: str, read: Callable[[], bytes]) -> bool:
    """``read`` returns the file's content. It is called only if the name doesn't decide."""
    return _is_secret_name(path.lower()) or CONTENT.search(read()[:MAX_CONTENT]) is not None


def _is_secret_name(path: str) -> bool:
    name = PurePosixPath(path).name
    if any(fnmatchcase(name, pattern) for pattern in HARMLESS):
        return False
    named = any(fnmatchcase(name, pattern) for pattern in NAMES)
    return named or any(fnmatchcase(path, pattern) for pattern in PATHS)

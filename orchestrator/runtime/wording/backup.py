"""What a backup contains, and why it can't be written or restored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

RESTORED = "restored from a backup"
FILE_EXISTS = "it already exists"


def nothing_to_keep(folder: Path) -> str:
    return f"{folder} contains no server; name its settings with --config"


def not_written(archive: Path, error: Exception) -> str:
    return f"can't write the backup {archive}: {error}; use another file on a disk with enough space"


def not_restored(archive: Path, error: Exception) -> str:
    return f"can't restore {archive}: {error}; repeat the command, or use another backup"


def unfinished_restore(folder: Path) -> str:
    return f"a restore was interrupted ({folder}); repeat `eph server restore` with the same file before anything else"


def occupied(place: Path) -> str:
    return f"{place} exists, and a restore doesn't replace anything; move it away first"


def foreign_entry(archive: Path, name: str, expected: Sequence[str]) -> str:
    return f"{archive} contains {name!r}, but a backup contains only files of {', '.join(expected)}"


def not_a_backup(archive: Path) -> str:
    return f"{archive} isn't a backup that this version of Eph can read; use a file of `eph server backup`"


def missing(backend: bool, ledger: bool, passphrase: str) -> tuple[str, ...]:
    """``backend``, ``ledger``: they are elsewhere. ``passphrase``: the operator's own file, if there is one."""
    found = [
        "eph.toml and the files that it names, such as keys of the Git host, certificates and secrets",
        "the data of previews: their databases, checkouts and build caches",
    ]
    if backend:
        found.append("the state of the stacks, which is in the backend of backend_url")
    if ledger:
        found.append("the event log, tokens and costs, which are in the database of ledger_url")
    if passphrase:
        found.append(f"the passphrase of the stacks in {passphrase}")
    return tuple(found)

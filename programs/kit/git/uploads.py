"""Commits that people uploaded from their working copies: one bare repository for each, which is its own mirror.

A repository of its own, so that removing an upload removes its files: a ref that is deleted from a shared mirror leaves
them there. The folder's place names the repository and the commit, and it contains who uploaded it. It appears
complete, by a rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from programs.kit import files, identifiers
from programs.kit.git import bundles, commit_trees, mirrors
from programs.kit.git.bundles import Snapshot

_OWNERS = "eph-owners"
_INCOMING = "incoming"
REMEMBERED = timedelta(days=90)
"""How long it is known of a removed upload that it was one."""


@dataclass(frozen=True, slots=True)
class Upload:
    """``at``: when it was uploaded last, in seconds since the epoch."""

    repository: int
    commit: str
    at: float


class FileTooLarge(Exception):
    """A file of an upload is larger than its reader accepts."""


class UploadStore:
    """Thread-safe, also between processes. ``max_bytes`` is the limit for a bundle."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._root = root

    def incoming(self) -> Path:
        """The name of a new file for a bundle that is being received."""
        return files.make_folder(self._root / _INCOMING) / f"{uuid.uuid4().hex}.bundle"

    def accept(self, repository: int, bundle: Path, by: str, at: datetime) -> Snapshot:
        """Keeps the commit in the bundle for ``by``. Raises InvalidBundle, and then nothing of it is left. ``at``: the
        time of the upload."""
        fresh = bundle.with_suffix(".git")
        try:
            snapshot = bundles.unpack(bundle, fresh, self.max_bytes)
            _add_owner(fresh, by, at)
            kept = self._folder(repository, snapshot.commit)
            with files.locked(self._root / "lock"):
                if mirrors.has_commit(kept, snapshot.commit):
                    _add_owner(kept, by, at)
                else:
                    files.remove(kept)
                    files.make_folder(kept.parent)
                    fresh.replace(kept)
            return snapshot
        finally:
            files.remove(fresh)

    def clone_url(self, repository: int, commit: str) -> str:
        """Where to fetch it from; empty if that commit wasn't uploaded."""
        if not identifiers.COMMIT.fullmatch(commit):
            return ""
        folder = self._folder(repository, commit)
        return str(folder) if folder.is_dir() else ""

    def was_uploaded(self, repository: int, commit: str) -> bool:
        """Whether that commit was uploaded, even if the upload was removed since."""
        if not identifiers.COMMIT.fullmatch(commit):
            return False
        folder = self._folder(repository, commit)
        return folder.is_dir() or _removal_mark(folder).exists()

    def renew(self, repository: int, commit: str, by: str, at: datetime) -> bool:
        """Whether ``by`` uploaded that commit. It is then kept as if uploaded at that time."""
        with files.locked(self._root / "lock"):
            if not self.is_owner(repository, commit, by):
                return False
            _add_owner(self._folder(repository, commit), by, at)
            return True

    def is_owner(self, repository: int, commit: str, by: str) -> bool:
        return bool(self.clone_url(repository, commit)) and _owner(self._folder(repository, commit), by).exists()

    def read_file(self, repository: int, commit: str, path: str, max_bytes: int) -> bytes | None:
        """A file of an uploaded commit, None if it doesn't contain it. Raises FileTooLarge."""
        folder = self._folder(repository, commit)
        wanted = path.encode()
        for entry in commit_trees.list_entries(folder, commit):
            if entry.path == wanted and entry.size is not None:
                if entry.size > max_bytes:
                    raise FileTooLarge(path)
                return mirrors.git(["-C", str(folder), "cat-file", "blob", entry.object_id])
        return None

    def list_uploads(self) -> list[Upload]:
        found = []
        for folder in self._root.glob("*/*.git"):
            if folder.parent.name.isdigit() and identifiers.COMMIT.fullmatch(folder.stem):
                with contextlib.suppress(FileNotFoundError):
                    at = (folder / _OWNERS).stat().st_mtime
                    found.append(Upload(int(folder.parent.name), folder.stem, at))
        return sorted(found, key=lambda each: (each.at, each.commit))

    def remove_unused(self, used: Collection[tuple[int, str]], before: datetime) -> list[Upload]:
        """Removes what no deploy uses and was uploaded before that time, and what was received only in part. ``used``
        are repositories with their commits."""
        with files.locked(self._root / "lock"):
            old = [
                each
                for each in self.list_uploads()
                if (each.repository, each.commit) not in used and each.at < before.timestamp()
            ]
            for each in old:
                folder = self._folder(each.repository, each.commit)
                files.remove(folder)
                _mark_removed(folder, before)
            for mark in self._root.glob("*/*.removed"):
                if mark.stat().st_mtime < (before - REMEMBERED).timestamp():
                    mark.unlink()
        for half in (self._root / _INCOMING).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if half.stat().st_mtime < before.timestamp():
                    files.remove(half)
        return old

    def _folder(self, repository: int, commit: str) -> Path:
        return self._root / str(repository) / f"{commit}.git"


def _removal_mark(folder: Path) -> Path:
    return folder.with_suffix(".removed")


def _mark_removed(folder: Path, at: datetime) -> None:
    """On a full disk, making space is more important than the mark."""
    with contextlib.suppress(OSError):
        files.write(_removal_mark(folder), "")
        os.utime(_removal_mark(folder), (at.timestamp(), at.timestamp()))


def _owner(folder: Path, by: str) -> Path:
    return folder / _OWNERS / hashlib.sha256(by.encode()).hexdigest()[:32]


def _add_owner(folder: Path, by: str, at: datetime) -> None:
    """The time of the folder is that of the last upload."""
    files.write(_owner(folder, by), "")
    os.utime(folder / _OWNERS, (at.timestamp(), at.timestamp()))

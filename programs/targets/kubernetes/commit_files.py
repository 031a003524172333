"""Reads the files of one commit from a bare mirror without a checkout, so none of it is written to our disk.

A path is a name in git's tree, so it can't refer to anything outside the repository. Symbolic links and submodules
aren't files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from programs.kit.errors import TargetError
from programs.kit.git import commit_trees, mirrors
from programs.kit.host_settings import HostSettings
from programs.spec import GitSource
from programs.targets.kubernetes import wording
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.refusals import Refusals
from programs.targets.kubernetes.settings import KubernetesSettings

MAX_FILE_BYTES = 1_000_000
"""Of one file, and of all SQL scripts of one seed: the size limit of a ConfigMap."""


class CommitFiles(Protocol):
    """Access to the files of a commit."""

    def read_text(self, path: str) -> str: ...

    def read_bytes(self, path: str) -> bytes: ...

    def list_folder(self, folder: str) -> list[str] | None:
        """The names of the files in a folder, or None if it isn't one."""

    def list_tree(self, folder: str) -> list[str]:
        """The paths of all files in the folder and its subfolders, relative to it."""


@dataclass(frozen=True, slots=True)
class CommitTree:
    """Every blob of a commit by path: mode, ID and size."""

    mirror: Path
    blobs: Mapping[str, tuple[str, str, int]]

    def read_text(self, path: str) -> str:
        return _decode(path, self.read_bytes(path))

    def read_bytes(self, path: str) -> bytes:
        found = self.blobs.get(repository_path(path))
        if found is None:
            raise KubernetesError(wording.file_missing(path))
        mode, identity, size = found
        if mode not in ("100644", "100755"):
            raise KubernetesError(wording.is_a_link(path))
        if size > MAX_FILE_BYTES:
            raise KubernetesError(wording.file_too_large(path, size, MAX_FILE_BYTES))
        return mirrors.git(["-C", str(self.mirror), "cat-file", "blob", identity])

    def list_folder(self, folder: str) -> list[str] | None:
        return _list_folder(self.blobs, folder)

    def list_tree(self, folder: str) -> list[str]:
        return _list_tree(self.blobs, folder)


@dataclass(frozen=True, slots=True)
class InMemoryFiles:
    """Files in memory, by path, for uses without a repository and for tests."""

    files: Mapping[str, str]

    def read_text(self, path: str) -> str:
        return _decode(path, self.read_bytes(path))

    def read_bytes(self, path: str) -> bytes:
        if repository_path(path) not in self.files:
            raise KubernetesError(wording.file_missing(path))
        return self.files[repository_path(path)].encode()

    def list_folder(self, folder: str) -> list[str] | None:
        return _list_folder(self.files, folder)

    def list_tree(self, folder: str) -> list[str]:
        return _list_tree(self.files, folder)


def read_texts(files: CommitFiles, paths: Iterable[str]) -> dict[str, str]:
    """By path. Raises ``CommitRejected`` with each that can't be read."""
    found, refusals = {}, Refusals()
    for path in paths:
        with refusals.collect():
            found[path] = files.read_text(path)
    refusals.check()
    return found


def _decode(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise KubernetesError(wording.not_utf8(path)) from None


def _list_tree(paths: Iterable[str], folder: str) -> list[str]:
    prefix = "" if repository_path(folder) == "." else f"{repository_path(folder)}/"
    return sorted(repository_path(path[len(prefix) :]) for path in paths if path.startswith(prefix))


def _list_folder(paths: Iterable[str], folder: str) -> list[str] | None:
    found = _list_tree(paths, folder)
    return [path for path in found if "/" not in path] if found else None


def repository_path(path: str) -> str:
    """The path in git's notation. Raises for a path outside the repository."""
    normal = posixpath.normpath(path)
    if normal.startswith(("/", "../")) or normal == ".." or "\0" in path:
        raise KubernetesError(wording.outside_repository(path))
    return normal


def load_tree(settings: KubernetesSettings, source: GitSource) -> CommitTree:
    """Fetches the commit unless the mirror has it."""
    try:
        mirror = mirrors.fetch(HostSettings(settings.root), source.clone_url, source.commit)
        entries = commit_trees.list_entries(mirror, source.commit)
    except TargetError as error:
        raise KubernetesError(error.sentence, error.tail) from error
    blobs = {item.path.decode(errors="replace"): (item.mode, item.object_id, item.size or 0) for item in entries}
    return CommitTree(mirror, blobs)

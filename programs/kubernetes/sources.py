"""The files of one commit, read from a bare mirror without a checkout: nothing of it is ever written to a disk of ours.

A path is a name in git's tree, so none can lead out of the repository; symbolic links and submodules are no files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.settings import Settings
from programs.local import mirrors
from programs.local.errors import LocalError
from programs.local.settings import Settings as LocalSettings
from programs.spec import Source

MOST_BYTES = 1_000_000
"""Of one file, and of all SQL of one seed: a ConfigMap takes no more."""


class Files(Protocol):
    """What the rest needs of a commit."""

    def read(self, path: str) -> str: ...

    def raw(self, path: str) -> bytes: ...

    def listing(self, folder: str) -> list[str] | None:
        """The names of the files in a folder; None when it is none."""

    def under(self, folder: str) -> list[str]:
        """The paths, from that folder on, of all files in it and below."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Every blob of a commit by its path: mode, id and size."""

    mirror: Path
    blobs: Mapping[str, tuple[str, str, int]]

    def read(self, path: str) -> str:
        return _text(path, self.raw(path))

    def raw(self, path: str) -> bytes:
        found = self.blobs.get(inside(path))
        if found is None:
            raise KubernetesError(f"{path} is not in this commit")
        mode, identity, size = found
        if mode not in ("100644", "100755"):
            raise KubernetesError(f"{path} is a symbolic link or a submodule; write the file itself")
        if size > MOST_BYTES:
            raise KubernetesError(f"{path} has {size} bytes; the most is {MOST_BYTES}")
        return mirrors.git(["-C", str(self.mirror), "cat-file", "blob", identity])

    def listing(self, folder: str) -> list[str] | None:
        return _listing(self.blobs, folder)

    def under(self, folder: str) -> list[str]:
        return _under(self.blobs, folder)


@dataclass(frozen=True, slots=True)
class Texts:
    """Files held in memory, by path: for what needs no repository, and for tests."""

    texts: Mapping[str, str]

    def read(self, path: str) -> str:
        return _text(path, self.raw(path))

    def raw(self, path: str) -> bytes:
        if inside(path) not in self.texts:
            raise KubernetesError(f"{path} is not in this commit")
        return self.texts[inside(path)].encode()

    def listing(self, folder: str) -> list[str] | None:
        return _listing(self.texts, folder)

    def under(self, folder: str) -> list[str]:
        return _under(self.texts, folder)


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise KubernetesError(f"{path} is not UTF-8 text") from None


def _under(paths: Iterable[str], folder: str) -> list[str]:
    prefix = "" if inside(folder) == "." else f"{inside(folder)}/"
    return sorted(inside(path[len(prefix) :]) for path in paths if path.startswith(prefix))


def _listing(paths: Iterable[str], folder: str) -> list[str] | None:
    found = _under(paths, folder)
    return [path for path in found if "/" not in path] if found else None


def inside(path: str) -> str:
    """The path as git names it; one that leads out is refused."""
    normal = posixpath.normpath(path)
    if normal.startswith(("/", "../")) or normal == ".." or "\0" in path:
        raise KubernetesError(f"{path} leads out of the repository")
    return normal


def tree(on: Settings, source: Source) -> Tree:
    """Fetches the commit, unless the mirror has it."""
    local = LocalSettings(root=on.root, routes=on.root)
    try:
        mirror = mirrors.fetch(local, source.clone_url, source.commit)
        listing = mirrors.git(["-C", str(mirror), "ls-tree", "-r", "-l", "-z", "--full-tree", source.commit])
    except LocalError as error:
        raise KubernetesError(error.sentence, error.tail) from error
    blobs = {}
    for entry in listing.decode(errors="replace").split("\0"):
        about, found, path = entry.partition("\t")
        if found:
            mode, _, identity, size = about.split()
            blobs[path] = (mode, identity, int(size) if size.isdigit() else 0)
    return Tree(mirror, blobs)

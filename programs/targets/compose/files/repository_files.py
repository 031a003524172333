"""The files of a commit that containers see: folders as volumes, single files as copies in the container.

Nothing of this machine is mounted. A container that could write to a folder of this machine could also replace what the
next container mounts from there, and its files would belong to other users. It also works for an engine that sees
another file system than Eph, such as one outside Eph's own container.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from programs.kit.errors import CommitFailed
from programs.targets.compose.files import wording
from programs.targets.compose.files.config_command import INSIDE

MAX_COPY_BYTES = 16 * 1024 * 1024
"""For a single file, or a config or secret."""


@dataclass(frozen=True, slots=True)
class MountedFolder:
    """A folder of the checkout that a service mounts at ``target``. ``digest``: of its content."""

    source: Path
    target: str
    digest: str


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file that a service expects at ``target``."""

    target: str
    content: bytes
    mode: int = 0o644
    user: int | None = None
    group: int | None = None


def locate(checkout: Path, path: str) -> Path:
    """The place of a path of the normalized project in the checkout, links followed."""
    relative = path.removeprefix(INSIDE).lstrip("/")
    real = Path(os.path.realpath(checkout / relative))
    if not real.is_relative_to(os.path.realpath(checkout)):
        raise CommitFailed(wording.mount_outside(relative))
    return real


def read_file(path: Path, shown: str) -> bytes:
    name = shown.removeprefix(INSIDE).lstrip("/")
    if not path.is_file():
        raise CommitFailed(wording.file_missing(name))
    if path.stat().st_size > MAX_COPY_BYTES:
        raise CommitFailed(wording.too_large(name, MAX_COPY_BYTES))
    return path.read_bytes()


def mounted_folder(source: Path, target: str) -> MountedFolder:
    found = hashlib.sha256()
    for name, path in _walk(source):
        info = path.lstat()
        found.update(f"{name}\0{info.st_mode & 0o111}\0".encode(errors="surrogateescape"))
        if stat.S_ISLNK(info.st_mode):
            found.update(os.fsencode(path.readlink()))
        elif stat.S_ISREG(info.st_mode):
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return MountedFolder(source, target, found.hexdigest())


def pack_folder(folder: MountedFolder, user: tuple[int, int]) -> bytes:
    """An archive of the folder's content, owned by the container's user and group."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, path in _walk(folder.source):
            entry = tar.gettarinfo(path, name)
            if entry.isreg():
                entry.type, entry.linkname = tarfile.REGTYPE, ""
                entry.size = path.stat().st_size
            _own(entry, user)
            if entry.isreg():
                with path.open("rb") as file:
                    tar.addfile(entry, file)
            elif entry.isdir() or entry.issym():
                tar.addfile(entry)
    return packed.getvalue()


def pack_files(files: list[CopiedFile], user: tuple[int, int]) -> bytes:
    """An archive for the root folder of a container."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.target.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            _own(entry, (user[0] if file.user is None else file.user, user[1] if file.group is None else file.group))
            tar.addfile(entry, io.BytesIO(file.content))
    return packed.getvalue()


def _own(entry: tarfile.TarInfo, user: tuple[int, int]) -> None:
    entry.uid, entry.gid = user
    entry.uname = entry.gname = ""
    entry.mode &= 0o777
    entry.mtime = 0


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Everything below the folder, parents first, by the path in it."""
    for place, names, others in os.walk(folder):
        names.sort()
        for name in sorted([*names, *others]):
            path = Path(place, name)
            yield str(path.relative_to(folder)), path


def owner(user: str) -> tuple[int, int]:
    """The numbers of a container's user, ``1000`` or ``1000:1000``. A user by name can't be resolved from outside, so
    the files belong to root, and everyone can read them."""
    name, _, group = user.partition(":")
    if not name.isdigit():
        return 0, 0
    return int(name), int(group) if group.isdigit() else int(name)

"""Lists the files of a commit before any of them is written to disk, within limits.

A few small objects can describe a tree of billions of files, and a path can be deeper than the programs that later
copy, mount or delete it can handle. So the listing stops at the first entry beyond a limit.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from programs.kit.errors import CommitFailed, TargetError
from programs.kit.git import mirrors, wording

MAX_ENTRIES = 200_000
"""Files and folders."""
MAX_DEPTH = 100
MAX_PATH_BYTES = 1000
"""The kernel's limit is 4,096, and a checkout's own folder counts, too."""
_LISTING_SECONDS = 120
_CHUNK = 1 << 16
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class CommitEntry:
    """A file, a symbolic link or a submodule. ``size`` is None for a submodule."""

    path: bytes
    mode: str
    object_id: str
    size: int | None


def list_entries(mirror: Path, commit: str) -> list[CommitEntry]:
    """Raises for a commit with too many entries, or with a path that is too deep or too long."""
    found = []
    for number, text in enumerate(_read_listing(mirror, commit)):
        if number >= MAX_ENTRIES:
            raise CommitFailed(wording.too_many_entries(commit, MAX_ENTRIES))
        about, _, path = text.partition(b"\t")
        _check_path(path, commit)
        mode, kind, object_id, size = about.decode().split()
        if kind != "tree":
            found.append(CommitEntry(path, mode, object_id, int(size) if size.isdigit() else None))
    return found


def printable(path: bytes | str) -> str:
    """A path for messages: one line without control characters, however odd its name is."""
    text = os.fsdecode(path)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _check_path(path: bytes, commit: str) -> None:
    depth = path.count(b"/") + 1
    if depth > MAX_DEPTH:
        raise CommitFailed(wording.path_too_deep(commit, depth, printable(path), MAX_DEPTH))
    if len(path) > MAX_PATH_BYTES:
        raise CommitFailed(wording.path_too_long(commit, len(path), printable(path), MAX_PATH_BYTES))


def _read_listing(mirror: Path, commit: str) -> Iterator[bytes]:
    """Lists folders, too: a tree of nothing but folders could otherwise keep git busy without any output."""
    with mirrors.start(["-C", str(mirror), "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit]) as process:
        timer = threading.Timer(_LISTING_SECONDS, process.kill)
        timer.start()
        try:
            yield from _split(process)
            if process.wait() != 0:
                raise TargetError(wording.not_listed(commit, _LISTING_SECONDS))
        finally:
            timer.cancel()
            process.kill()


def _split(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    if process.stdout is None:
        raise RuntimeError("the process has no pipe")
    rest = b""
    while chunk := process.stdout.read(_CHUNK):
        *entries, rest = (rest + chunk).split(b"\0")
        yield from entries

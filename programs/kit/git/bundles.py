"""Unpacks a git bundle that someone uploaded: one commit without history, checked before anything reads its files.

The bytes are untrusted. git checks every object (names such as ``.git`` or ``..``, duplicate entries, missing objects)
while it unpacks them, within limits for memory, time and disk space. A bundle that needs objects of another repository,
or whose commit has parents, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from programs.kit import files
from programs.kit.errors import TargetError
from programs.kit.git import commit_trees, mirrors, wording
from programs.kit.git.commit_trees import CommitEntry
from programs.kit.git.mirrors import GitLimits
from programs.kit.host_settings import MEGABYTE

REF = "refs/eph/working-copy"
"""The one ref of an uploaded bundle."""
SIGNATURE = b"# v2 git bundle\n"
MAX_HEADER = 1024
UNPACK_SECONDS = 120.0
MAX_MEMORY = 1024 * MEGABYTE
INFLATED_FACTOR = 20
"""How many times larger the files may be than the bundle that is allowed."""
_REF_LINE = re.compile(rf"([0-9a-f]{{40}}) {REF}\n".encode())
_FRUGAL = {"pack.threads": "1", "core.bigFileThreshold": "16m"}
"""Larger files are streamed instead of held in memory."""


class InvalidBundle(TargetError):
    """The upload isn't a bundle that Eph accepts; the message says why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An accepted commit. ``size`` is the total size of its files in bytes."""

    commit: str
    files: int
    size: int


def unpack(bundle: Path, fresh: Path, max_bytes: int) -> Snapshot:
    """Creates the bare repository ``fresh`` from the bundle. Raises InvalidBundle, and then ``fresh`` may be left half
    done."""
    commit, start = _read_header(bundle)
    pack = fresh.with_suffix(".pack")
    try:
        _cut(bundle, start, pack)
        mirrors.git(["init", "--quiet", "--bare", "--template=", "--object-format=sha1", str(fresh)])
        _index(fresh, pack, max_bytes)
    finally:
        files.remove(pack)
    _check_commit(fresh, commit)
    entries = _list_entries(fresh, commit)
    size = sum(entry.size or 0 for entry in entries)
    if size > max_bytes * INFLATED_FACTOR:
        limit = max_bytes * INFLATED_FACTOR / MEGABYTE
        raise InvalidBundle(wording.files_too_large(size / MEGABYTE, limit))
    mirrors.git(["-C", str(fresh), "update-ref", f"refs/eph/commits/{commit}", commit])
    return Snapshot(commit, len(entries), size)


def _read_header(bundle: Path) -> tuple[str, int]:
    """The commit, and where the pack starts."""
    with bundle.open("rb") as file:
        head = file.read(MAX_HEADER)
    if not head.startswith(SIGNATURE):
        raise InvalidBundle(wording.NOT_A_BUNDLE)
    line = _REF_LINE.match(head, len(SIGNATURE))
    if line is None or head[line.end() : line.end() + 1] != b"\n":
        raise InvalidBundle(wording.wrong_refs(REF))
    return line.group(1).decode(), line.end() + 1


def _cut(bundle: Path, start: int, pack: Path) -> None:
    with bundle.open("rb") as source, pack.open("xb") as target:
        source.seek(start)
        while chunk := source.read(1 << 20):
            target.write(chunk)


def _index(repository: Path, pack: Path, max_bytes: int) -> None:
    limits = GitLimits(
        timeout=UNPACK_SECONDS, max_file_bytes=max_bytes + MEGABYTE, config=_FRUGAL, max_memory=MAX_MEMORY, stdin=pack
    )
    words = ["-C", str(repository), "index-pack", "--stdin", "--strict", f"--max-input-size={max_bytes}"]
    try:
        mirrors.git(words, limits)
    except TargetError as error:
        raise InvalidBundle(wording.OBJECTS_REFUSED, error.tail) from error


def _list_entries(repository: Path, commit: str) -> list[CommitEntry]:
    try:
        return commit_trees.list_entries(repository, commit)
    except TargetError as error:
        raise InvalidBundle(error.sentence, error.tail) from error


def _check_commit(repository: Path, commit: str) -> None:
    try:
        kind = mirrors.git(["-C", str(repository), "cat-file", "-t", commit]).decode().strip()
        parents = mirrors.git(["-C", str(repository), "cat-file", "-p", commit]) if kind == "commit" else b""
    except TargetError as error:
        raise InvalidBundle(wording.commit_missing(commit)) from error
    if kind != "commit":
        raise InvalidBundle(wording.not_a_commit(REF, kind))
    head = parents.partition(b"\n\n")[0]
    if any(line.startswith(b"parent ") for line in head.splitlines()):
        raise InvalidBundle(wording.COMMIT_HAS_PARENT)

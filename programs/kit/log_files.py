"""Reads log files that grow. A position is the number of bytes read. A file that is shorter was begun again."""

from __future__ import annotations

from pathlib import Path

from programs.kit import files
from programs.runtime_info import LogRequest

MAX_BYTES = 256 * 1024


def read(path: Path, request: LogRequest, key: str) -> tuple[list[str], str]:
    """The last lines, or those after the request's position for ``key``; and the position after them. Whole lines only:
    an incomplete line is returned once it ends, or in pieces if it is longer than ``MAX_BYTES``."""
    size = _size(path)
    if request.since is None:
        return files.tail(path, request.lines), str(size)
    start = int(request.since.get(key, "0"))
    if start > size:
        start = 0
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(MAX_BYTES)
    except FileNotFoundError:
        return [], "0"
    whole = data.rfind(b"\n") + 1
    if whole == 0 and len(data) == MAX_BYTES:
        whole = len(data)
    return data[:whole].decode(errors="replace").splitlines(), str(start + whole)


def latest(path: Path, position: int) -> int:
    """The position, or a later one that leaves no more than what one reading returns."""
    return max(position, _size(path) - MAX_BYTES)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0

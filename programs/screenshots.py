"""Pictures that a repository's tests leave, as untrusted input: what they are is decided by their content.

Only PNG and JPEG, which can't contain scripts. Their size in pixels is read before anyone decodes them: a small file
can declare a picture that fills the memory of whoever looks at it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_FILES = 20
"""Of one suite."""
MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_TOTAL_BYTES = 16 * 1024 * 1024
"""Of one suite."""
MAX_PIXELS = 40_000_000
MAX_NAME_LENGTH = 200
SUFFIXES = (".png", ".jpg", ".jpeg")
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg"}
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""JPEG markers of the segment that contains the size."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``kind``: png or jpg; the size is in pixels."""

    kind: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Screenshot:
    """``name``: the file's path in the folder, as the suite wrote it."""

    name: str
    picture: Picture
    data: bytes


@dataclass(frozen=True, slots=True)
class Screenshots:
    """Of one run of a suite. ``omitted``: how many more pictures there were that are over a limit."""

    files: tuple[Screenshot, ...] = ()
    omitted: int = 0


def identify(data: bytes) -> Picture | None:
    """None if it isn't a picture that people may look at."""
    found = _png(data) or _jpeg(data)
    if found is None or not 0 < found.width * found.height <= MAX_PIXELS:
        return None
    return found


def _png(data: bytes) -> Picture | None:
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    width, height = struct.unpack(">II", data[16:24])
    return Picture("png", width, height)


def _jpeg(data: bytes) -> Picture | None:
    """Goes from segment to segment until the one with the size."""
    if not data.startswith(_JPEG):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return Picture("jpg", width, height)
        if length < 2:
            return None
        at += 2 + length
    return None

"""Packs and bundles written by hand, so that they can contain what git itself would never write."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

from programs.kit.git import bundles

COMMIT, TREE, BLOB = 1, 2, 3
PERSON = b"author a <a@b> 0 +0000\ncommitter a <a@b> 0 +0000\n\nwork\n"
NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}


class PackFile:
    def __init__(self) -> None:
        self.objects: list[bytes] = []

    def add(self, kind: int, content: bytes) -> str:
        size, first = len(content), (kind << 4) | (len(content) & 15)
        size >>= 4
        head = bytearray()
        while size:
            head.append(first | 0x80)
            first, size = size & 0x7F, size >> 7
        self.objects.append(bytes(head) + bytes([first]) + zlib.compress(content))
        return hashlib.sha1(b"%s %d\0" % (NAMES[kind], len(content)) + content).hexdigest()  # noqa: S324 - git's

    def add_delta(self, base: str, copies: int) -> None:
        """An object that repeats the first 65,536 bytes of its base."""
        size = 65_536 * copies
        delta = _varint(65_536) + _varint(size) + b"\x80" * copies
        head, rest = bytearray([0x80 | (7 << 4) | (len(delta) & 15)]), len(delta) >> 4
        head += _varint(rest)
        self.objects.append(bytes(head) + bytes.fromhex(base) + zlib.compress(delta))

    def tree(self, *entries: tuple[str, bytes, str]) -> str:
        return self.add(TREE, b"".join(b"%s %s\0" % (m.encode(), name) + bytes.fromhex(i) for m, name, i in entries))

    def commit(self, tree: str, more: bytes = b"") -> str:
        return self.add(COMMIT, b"tree %s\n" % tree.encode() + more + PERSON)

    def bundle(self, path: Path, commit: str, header: bytes = b"") -> Path:
        body = b"PACK" + struct.pack(">II", 2, len(self.objects)) + b"".join(self.objects)
        head = header or b"# v2 git bundle\n%s %s\n\n" % (commit.encode(), bundles.REF.encode())
        path.write_bytes(head + body + hashlib.sha1(body).digest())  # noqa: S324 - git's own
        return path


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(0x80 | (number & 0x7F))
        number >>= 7
    return bytes([*found, number])


def one_file(path: Path, text: bytes = b"hello", name: bytes = b"eph.yaml") -> tuple[str, Path]:
    """A good bundle, and its commit."""
    pack = PackFile()
    commit = pack.commit(pack.tree(("100644", name, pack.add(BLOB, text))))
    return commit, pack.bundle(path, commit)

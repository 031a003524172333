"""Files that resist their removal: what code in an environment can leave where it may write."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from programs.kit import files

DEPTH = 1100


def hostile_tree(root: Path) -> None:
    """Deep, closed and oddly named folders, links, pipes and sockets."""
    closed = files.make_folder(root / "closed")
    (closed / "file").write_text("x")
    (root / os.fsdecode(b"\xff\n\x1b[2J")).mkdir()
    (root / "-rf *").write_text("x")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    nest(root / "deep", DEPTH)
    closed.chmod(0)


def nest(root: Path, depth: int) -> None:
    """Creates nested folders. Their full path may be longer than the kernel accepts."""
    root.mkdir()
    folder = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 20, dir_fd=folder)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)

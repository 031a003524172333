"""Removal of trees that a preview shaped to make cleanup fail."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from programs.kit import files


def _nest(root: Path, depth: int) -> None:
    """Creates nested folders. Their full path is longer than the kernel accepts."""
    root.mkdir()
    folder = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 20, dir_fd=folder)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)


def test_tree_of_1500_nested_folders_is_removed(tmp_path: Path) -> None:
    _nest(tmp_path / "deep", 1500)
    files.remove(tmp_path / "deep")
    assert not (tmp_path / "deep").exists()


def test_odd_names_sockets_and_closed_folders_are_removed(tmp_path: Path) -> None:
    root = tmp_path / "odd"
    closed = root / "closed"
    closed.mkdir(parents=True)
    (root / os.fsdecode(b"\xff\n")).mkdir()
    (closed / "-rf").write_text("x")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    closed.chmod(0)
    files.remove(root)
    assert not root.exists()


def test_link_is_removed_and_its_destination_stays(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(outside)
    files.remove(tmp_path / "tree")
    assert (outside / "kept").read_text() == "x"

"""Removal of trees that a preview shaped to make cleanup fail."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs.kit import files
from programs.kit.trees import TreeNotRemoved
from tests import file_trees


def test_tree_of_1500_nested_folders_is_removed(tmp_path: Path) -> None:
    file_trees.nest(tmp_path / "deep", 1500)
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


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Path]:
    """A file whose immutable bit is set, three folders below ``tree``."""
    path = tmp_path / "tree" / "a" / "b" / "log\n"
    path.parent.mkdir(parents=True)
    path.write_text("x")
    chattr = shutil.which("chattr")
    if not chattr or subprocess.run([chattr, "+i", str(path)], capture_output=True, check=False).returncode:
        pytest.skip("this account or file system has no immutable files")
    yield path
    subprocess.run([chattr, "-R", "-i", str(tmp_path)], capture_output=True, check=False)


def test_immutable_file_is_reported_with_the_command_that_helps_and_all_else_is_gone(immutable: Path) -> None:
    """S3: the same happens on every attempt, and the removal succeeds once an operator has run the command."""
    root = immutable.parents[2]
    (root / "z").mkdir()
    (root / "z" / "file").write_text("x")
    for _ in range(2):
        with pytest.raises(TreeNotRemoved, match=r"'log\\n' can't be deleted: Operation not permitted") as caught:
            files.remove(root)
        assert [path.name for path in root.rglob("*") if path.is_file()] == ["log\n"]
    command = caught.value.sentence.partition("to allow it: ")[2]
    subprocess.run(command.split(), check=True, capture_output=True)
    files.remove(root)
    assert not root.exists()

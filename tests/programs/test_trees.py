"""Removal and change of owner of trees that a preview shaped to make them fail."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.conformance import hostile_files
from programs.kit import files, trees
from programs.kit.trees import TreeNotRemoved, _Removal
from tests.programs import link_exchange


def test_tree_of_1500_nested_folders_is_removed(tmp_path: Path) -> None:
    hostile_files.nest(tmp_path / "deep", 1500)
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


def test_nothing_outside_changes_while_a_process_exchanges_folders_for_links(tmp_path: Path) -> None:
    """S3 L7: root followed such a link, and a folder outside of the tree got the mode 0700."""
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    outside.chmod(0o750)
    with link_exchange.exchanging(tmp_path / "tree", outside) as rounds:
        for _ in range(40):
            with contextlib.suppress(TreeNotRemoved):
                files.remove(tmp_path / "tree")
    assert rounds
    assert stat.S_IMODE(outside.stat().st_mode) == 0o750
    assert (outside / "kept").is_dir()
    files.remove(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("step", ["_move_up", "_remove"])
def test_folder_that_became_a_link_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """S3 L7: exactly between the listing and the removal. The next attempt removes the link."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o750)
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    original = getattr(_Removal, step)

    def exchange_first(removal: _Removal, name: str, *rest: int) -> None:
        (tree / name).rename(tree / "moved")
        (tree / name).symlink_to(outside)
        original(removal, name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(_Removal, step, exchange_first)
        with pytest.raises(TreeNotRemoved, match="Not a directory"):
            files.remove(tree)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o750
    files.remove(tree)
    assert not tree.exists()
    assert outside.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a file")
def test_tree_of_1500_nested_folders_changes_its_owner(tmp_path: Path) -> None:
    """S3 L7: taking over an environment of an earlier version used to exceed the limits of recursion and open files."""
    root = tmp_path / "deep"
    hostile_files.nest(root, 1500)
    (root / "file").write_text("x")
    (root / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("x")
    trees.change_owner(root, 4242)
    assert _owners(root) == [4242] * 1503
    assert (tmp_path / "outside").stat().st_uid == 0
    files.remove(root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a file")
def test_owner_of_nothing_outside_changes_if_a_folder_is_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3: the parent of a moved folder isn't the one that was entered."""
    inner = tmp_path / "tree" / "a" / "b"
    inner.mkdir(parents=True)
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    change_entries = trees._change_entries

    def move_meanwhile(folder: int, uid: int) -> list[str]:
        found = change_entries(folder, uid)
        if inner.exists() and os.fstat(folder).st_ino == inner.stat().st_ino:
            inner.rename(outside / "b")
        return found

    monkeypatch.setattr(trees, "_change_entries", move_meanwhile)
    with pytest.raises(OSError, match="moved"):
        trees.change_owner(tmp_path / "tree", 4242)
    assert outside.stat().st_uid == (outside / "kept").stat().st_uid == 0


def _owners(root: Path) -> list[int]:
    """The owners of everything in a tree, which may be deeper than a path can be long."""
    listed = subprocess.run(["find", str(root), "-printf", "%U\\n"], capture_output=True, text=True, check=True)
    return [int(line) for line in listed.stdout.split()]


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

"""The server's key and passphrase: created once, readable only by the owner, even by concurrent servers (Y3, S4,
L2)."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from orchestrator.config.server_keys import InvalidKey, passphrase_file, server_key


def test_key_is_created_once_and_then_stays(tmp_path: Path) -> None:
    first = server_key(tmp_path / "keys")
    assert len(first) == 32
    assert server_key(tmp_path / "keys") == first
    assert server_key(tmp_path / "others") != first


def test_only_the_owner_can_read_keys(tmp_path: Path) -> None:
    server_key(tmp_path / "keys")
    file = passphrase_file(tmp_path / "keys")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert len(file.read_text()) == 64


def test_concurrent_servers_share_one_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(server_key, [tmp_path / "keys"] * 32, chunksize=1)
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["server.key"]


def test_key_readable_by_others_is_rejected_with_the_command(tmp_path: Path) -> None:
    server_key(tmp_path)
    (tmp_path / "server.key").chmod(0o640)
    with pytest.raises(InvalidKey, match=r"mode 0640\); run: chmod 600 "):
        server_key(tmp_path)


def test_truncated_key_is_never_replaced(tmp_path: Path) -> None:
    server_key(tmp_path)
    (tmp_path / "server.key").write_bytes(b"short")
    with pytest.raises(InvalidKey, match="has 5 bytes instead of 32; restore it from a backup"):
        server_key(tmp_path)
    assert (tmp_path / "server.key").read_bytes() == b"short"
    (tmp_path / "passphrase").touch(0o600)
    with pytest.raises(InvalidKey, match="passphrase is empty"):
        passphrase_file(tmp_path)


def test_operators_own_passphrase_file_is_used(tmp_path: Path) -> None:
    """O4: a mounted Secret is readable by its group; nothing is created next to it."""
    given = tmp_path / "given"
    given.write_text("correct horse")
    given.chmod(0o440)
    assert passphrase_file(tmp_path / "keys", given) == given
    assert not (tmp_path / "keys").exists()
    given.chmod(0o640)
    given.write_text(" ")
    with pytest.raises(InvalidKey, match="given is empty; stacks can't be opened without the passphrase"):
        passphrase_file(tmp_path / "keys", given)
    with pytest.raises(InvalidKey, match="absent: No such file"):
        passphrase_file(tmp_path / "keys", tmp_path / "absent")

"""A backup contains what a server must keep, and a restore brings all of it back, even if it is killed. O4."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.auth import local_token, preview_tokens
from orchestrator.config import server_keys
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime.server.addresses import StartupError
from orchestrator.runtime.server.backup import BackupError, create_backup, restore_backup
from orchestrator.runtime.server.home_lock import lock_home
from orchestrator.runtime.server.pause_file import PauseFile
from orchestrator.runtime.server.shared_folder import lock_shared_folder

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
CHECKPOINT = "backend/.pulumi/stacks/eph-shop-9ix/pr-42.json"


def server_in(home: Path) -> ServerSettings:
    """A server with a stack, keys, an upload and an event log that is in SQLite's write-ahead log only."""
    settings = ServerSettings(home=home)
    for path, text in ((CHECKPOINT, '{"version": 3}'), ("uploads/acme/shop.bundle", "bundle"), ("local/data", "-")):
        (home / path).parent.mkdir(parents=True)
        (home / path).write_text(text)
    server_keys.server_key(settings.keys_dir)
    server_keys.passphrase_file(settings.keys_dir)
    local_token.local_token(home)
    preview_tokens.preview_token(settings.keys_dir)
    return settings


def content(home: Path) -> dict[str, tuple[bytes, int]]:
    kept = ("backend", "keys", "uploads")
    found = (path for name in kept for path in sorted((home / name).rglob("*")))
    return {
        str(path.relative_to(home)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mode)
        for path in found
    }


def wipe(home: Path) -> None:
    for name in ("backend", "keys", "uploads", "ledger.db", "ledger.db-wal", "ledger.db-shm"):
        path = home / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def test_everything_comes_back_and_the_server_is_paused(tmp_path: Path) -> None:
    home, archive = tmp_path / "eph", tmp_path / "eph.tar.gz"
    settings = server_in(home)
    open_log = sqlite3.connect(settings.ledger_path)
    open_log.executescript("PRAGMA journal_mode = WAL; CREATE TABLE events (kind); INSERT INTO events VALUES ('x');")
    before = content(home)
    written = create_backup(settings, archive, NOW)
    open_log.close()
    assert written.parts == ("keys", "backend", "uploads", "ledger.db")
    assert archive.stat().st_mode & 0o777 == 0o600
    wipe(home)
    assert restore_backup(settings, archive, "root", NOW).parts == written.parts
    assert content(home) == before
    with sqlite3.connect(settings.ledger_path) as log:
        assert log.execute("SELECT kind FROM events").fetchall() == [("x",)]
    pause = PauseFile(home / "paused.json").current()
    assert pause is not None
    assert (pause.by, pause.at) == ("root", NOW)
    with lock_shared_folder(settings):
        pass


def test_data_of_previews_and_external_stores_are_named(tmp_path: Path) -> None:
    server_in(tmp_path / "eph")
    elsewhere = ServerSettings.model_validate(
        {
            "home": tmp_path / "eph",
            "backend_url": "file:///srv/states",
            "ledger_url": "postgresql://eph@db/eph",
            "passphrase_file": tmp_path / "phrase",
        }
    )
    found = create_backup(elsewhere, tmp_path / "eph.tar.gz", NOW)
    assert found.parts == ("keys", "uploads")
    assert len(found.missing) == 5
    with tarfile.open(tmp_path / "eph.tar.gz") as tar:
        assert not [name for name in tar.getnames() if name.startswith(("local", "backend", "ledger"))]


def test_a_running_ephd_and_existing_files_are_left_alone(tmp_path: Path) -> None:
    home, archive = tmp_path / "eph", tmp_path / "eph.tar.gz"
    settings = server_in(home)
    with lock_home(home), pytest.raises(StartupError, match=f"process {os.getpid()}"):
        create_backup(settings, archive, NOW)
    create_backup(settings, archive, NOW)
    with pytest.raises(BackupError, match="already exists"):
        create_backup(settings, archive, NOW)
    before = content(home)
    with pytest.raises(BackupError, match="a restore doesn't replace anything"):
        restore_backup(settings, archive, "root", NOW)
    assert content(home) == before
    with pytest.raises(BackupError, match="contains no server"):
        create_backup(ServerSettings(home=tmp_path / "empty"), tmp_path / "other.tar.gz", NOW)


class Killed(Exception):
    """As if the process ended."""


@pytest.mark.parametrize("renames", range(4))
def test_an_interrupted_restore_is_completed_by_repeating_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    home, archive = tmp_path / "eph", tmp_path / "eph.tar.gz"
    settings = server_in(home)
    sqlite3.connect(settings.ledger_path).close()
    before = content(home)
    create_backup(settings, archive, NOW)
    create_backup(settings, tmp_path / "other.tar.gz", NOW.replace(day=5))
    wipe(home)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying_rename(renames))
        with pytest.raises(Killed):
            restore_backup(settings, archive, "root", NOW)
    assert PauseFile(home / "paused.json").current() is not None, "nothing can start by mistake"
    with pytest.raises(StartupError, match="repeat `eph server restore`"), lock_shared_folder(settings):
        pass
    with pytest.raises(BackupError, match="with the same file"):
        restore_backup(settings, tmp_path / "other.tar.gz", "root", NOW)
    restore_backup(settings, archive, "root", NOW)
    assert content(home) == before
    with lock_shared_folder(settings):
        pass


def dying_rename(count: int) -> Callable[[Path, Path], Path]:
    """The first ``count`` renames of parts happen."""
    real, left = Path.rename, [count]

    def rename(self: Path, target: Path) -> Path:
        if self.parent.name == ".restore":
            if left[0] == 0:
                raise Killed
            left[0] -= 1
        return real(self, target)

    return rename


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "eph.toml", "keys/link"])
def test_a_foreign_archive_changes_nothing(tmp_path: Path, name: str) -> None:
    settings, archive = ServerSettings(home=tmp_path / "eph"), tmp_path / "eph.tar.gz"
    create_backup(server_in(tmp_path / "other"), tmp_path / "good.tar.gz", NOW)
    entry = tarfile.TarInfo(name)
    if name == "keys/link":
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "good.tar.gz") as good, tarfile.open(archive, "w:gz") as tar:
        tar.addfile(good.getmember("backup.json"), good.extractfile("backup.json"))
        tar.addfile(entry)
    with pytest.raises(BackupError, match="contains only files of"):
        restore_backup(settings, archive, "root", NOW)
    assert not settings.keys_dir.exists()
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(BackupError, match="can't restore"):
        restore_backup(settings, tmp_path / "text", "root", NOW)

"""Who owns a lock, and whether its owner is proven dead (L8; pitfall: no lease, no heartbeat)."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stacks import keys, names, process_identity
from stacks.backends import wording
from stacks.backends.file import locks
from stacks.backends.file.layout import FileLayout
from stacks.backends.port import LockHeld
from stacks.process_identity import ProcessStart

REF = names.stack_ref(keys.pull_request(12345, 1), "acme/shop")
TAKEN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def lock_folder(backend: Path) -> Path:
    return FileLayout(backend).lock_folder(REF)


def lock(backend: Path, host: str = "", pid: int = 77, name: str = "a") -> Path:
    folder = lock_folder(backend)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    data = {"pid": pid, "username": "ann", "hostname": host or socket.gethostname(), "timestamp": TAKEN.isoformat()}
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("found", "dead"),
    [
        (None, True),  # no process has that pid
        (ProcessStart(TAKEN.timestamp() - 5, "pulumi"), False),  # the owner itself, running
        (ProcessStart(TAKEN.timestamp() + 1, "pulumi"), False),  # clocks differ slightly
        (ProcessStart(TAKEN.timestamp() + 60, "postgres"), True),  # the pid was reused
        (ProcessStart(TAKEN.timestamp() + 60, "pulumi"), False),  # or the clock was set forward: not proven
        (ProcessStart(TAKEN.timestamp() - 5, "postgres"), False),  # older than the lock: not proven
    ],
)
def test_dead_owner_is_proven(tmp_path: Path, found: ProcessStart | None, dead: bool) -> None:
    path = lock(tmp_path)
    [read] = locks.read(lock_folder(tmp_path), lambda _pid: found)
    assert (read.id, read.pid, read.user, read.acquired_at, read.owner_dead) == ("a", 77, "ann", TAKEN, dead)
    assert bool(locks.break_dead(lock_folder(tmp_path), lambda _pid: found)) is dead
    assert path.exists() is not dead


def test_lock_from_another_host_is_not_dead(tmp_path: Path) -> None:
    path = lock(tmp_path, host="another-host")
    assert locks.break_dead(lock_folder(tmp_path), lambda _pid: None) == ()
    assert path.exists()
    [left] = locks.read(lock_folder(tmp_path))
    message = str(LockHeld(REF, left))
    assert re.search(r"process 77 of ann on another-host since 2026-03-02 12:00:00 UTC.*cancel", message)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": "x"}', "[" * 100_000, "\x00"])
def test_truncated_lock_counts_as_held(tmp_path: Path, text: str) -> None:
    path = lock(tmp_path)
    path.write_text(text)
    [read] = locks.read(lock_folder(tmp_path))
    assert (read.pid, read.owner_dead) == (0, False)
    assert str(LockHeld(REF, read)) == wording.stack_locked(wording.UNKNOWN_OWNER, REF)


def test_only_the_dead_one_of_two_is_broken(tmp_path: Path) -> None:
    lock(tmp_path, pid=1, name="dead")
    lock(tmp_path, pid=2, name="alive")
    alive = ProcessStart(TAKEN.timestamp() - 1, "pulumi")
    broken = locks.break_dead(lock_folder(tmp_path), lambda pid: None if pid == 1 else alive)
    assert [item.id for item in broken] == ["dead"]
    assert [path.stem for path in lock_folder(tmp_path).iterdir()] == ["alive"]


def test_no_lock(tmp_path: Path) -> None:
    assert locks.read(lock_folder(tmp_path)) == ()


def test_real_process_and_its_zombie() -> None:
    """Start times are accurate to a second, and an unreaped zombie is dead."""
    began = time.time()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = process_identity.describe(child.pid)
    assert found is not None
    assert abs(found.started - began) < 1
    assert found.name.startswith("python")
    identity = process_identity.identify(child.pid)
    assert identity is not None
    assert process_identity.is_alive(identity)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_identity.describe(child.pid) is None
    assert not process_identity.is_alive(identity)
    child.communicate()

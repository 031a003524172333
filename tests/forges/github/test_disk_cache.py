"""What survives a restart: a quiet cycle of a new process costs nothing, and a damaged file costs no more than one.

Rows: L2, L4, S4.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo.github.demo_github import DemoGitHub
from orchestrator.forges.github.github_forge import GitHubForge, GitHubOptions
from orchestrator.forges.github.http.disk_cache import CacheLimits, DiskCache
from orchestrator.forges.port import EXPIRED

SHOP = "ada/shop"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[DemoGitHub]:
    made = DemoGitHub(tmp_path / "sandbox")
    made.start()
    made.create_repository(SHOP, {"eph.yaml": "version: 1\n"})
    yield made
    made.close()


def first_cycle_cost(world: DemoGitHub, path: Path, sha: str) -> tuple[int, int]:
    """The first cycle of a process: requests that counted, and the total number of requests."""
    forge = GitHubForge(
        world.api_url, world.token("eph-bot"), [SHOP], options=GitHubOptions(login="eph-bot", cache=DiskCache(path))
    )
    before = world.stats()
    [shop] = forge.repositories()
    assert len(forge.pulls(shop).open) == 1
    assert forge.file(shop, "eph.yaml", sha, 1000) == b"version: 1\n"
    assert forge.decisions(shop, sha) == {EXPIRED: "Expired"}
    after = world.stats()
    forge.close()
    return after["counted"] - before["counted"], after["requests"] - before["requests"]


def test_quiet_cycle_after_a_restart_costs_nothing(world: DemoGitHub, tmp_path: Path) -> None:
    """L4: what can change is requested conditionally, what can't isn't requested at all."""
    sha = world.push(SHOP, "one", {"x": "x"})
    world.open_pull(SHOP, "one")
    path = tmp_path / "cache.db"
    said = {"state": "success", "context": EXPIRED, "description": "Expired"}
    world.api("POST", f"/repos/{SHOP}/statuses/{sha}", said, "eph-bot")
    assert first_cycle_cost(world, path, sha)[0] > 0
    assert first_cycle_cost(world, path, sha) == (0, 2)
    assert world.token("eph-bot").encode() not in b"".join(item.read_bytes() for item in tmp_path.glob("cache.db*"))
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "a folder", "another form"])
def test_damaged_file_is_recreated(tmp_path: Path, damage: str) -> None:
    """L2: the loop never fails because of it."""
    path = tmp_path / "cache.db"
    kept = DiskCache(path)
    for number in range(200):
        kept.put(f"key {number}", b"body " * 200, f'"{number}"')
    kept.close()
    whole = path.read_bytes()
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    elif damage == "another form":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version=99")
        db.close()
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "garbage": b"\xff" * len(whole), "empty": b""}[damage])
    again = DiskCache(path)
    for number in range(200):
        found = again.get(f"key {number}")
        assert found is None or found.body == b"body " * 200
    again.put("new", b"value", "v1")
    found = again.get("new")
    assert (found is None) == (damage == "a folder")
    again.close()


def test_damaged_entry_is_ignored(tmp_path: Path) -> None:
    """Each has its own checksum."""
    path = tmp_path / "cache.db"
    kept = DiskCache(path)
    kept.put("one", b"1" * 1000)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE kept SET body = x'00112233'")
    db.close()
    assert kept.get("one") is None
    kept.put("one", b"2")
    found = kept.get("one")
    assert found is not None
    assert found.body == b"2"
    kept.close()


def test_it_is_bounded(tmp_path: Path) -> None:
    """The oldest are deleted first."""
    clock = iter(range(10_000))
    limits = CacheLimits(entries=100, evict_every=50)
    kept = DiskCache(tmp_path / "cache.db", lambda: float(next(clock)), limits)
    for number in range(400):
        kept.put(f"key {number}", b"x")
    held = [number for number in range(400) if kept.get(f"key {number}") is not None]
    assert len(held) <= 150
    assert held[-1] == 399
    kept.close()


def test_without_a_path_nothing_is_cached() -> None:
    kept = DiskCache(None)
    kept.put("one", b"1")
    assert kept.get("one") is None
    kept.close()

"""Which archives are kept, and for how long (T1, S3)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from programs.kit.build_cache import archives
from programs.kit.build_cache.archives import DAY, CacheState
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings

NOW = 1_800_000_000.0


@pytest.fixture
def settings(tmp_path: Path) -> HostSettings:
    return HostSettings(tmp_path, cache_bytes=1000, cache_days=14)


def save(settings: HostSettings, repository: str, size: int, used: float) -> None:
    with archives.replacing(settings, repository) as file:
        file.write(b"x" * size)
    archives.mark_used(settings, repository, used)


def kept(settings: HostSettings) -> list[str]:
    return [archive.repository for archive in archives.list_archives(settings)]


def test_the_least_recently_used_archives_are_removed_first(settings: HostSettings) -> None:
    for age, repository in enumerate(("1", "2", "3")):
        save(settings, repository, 400, NOW - 100 * age)
    assert archives.collect(settings, NOW) == ["3"]
    assert kept(settings) == ["2", "1"]


def test_reading_an_archive_is_using_it(settings: HostSettings) -> None:
    save(settings, "1", 400, NOW - 300)
    save(settings, "2", 400, NOW - 200)
    save(settings, "3", 400, NOW - 100)
    found = archives.open_archive(settings, "1", NOW)
    assert found is not None
    with found:
        assert archives.collect(settings, NOW) == ["2"]


def test_archive_of_a_repository_without_environments_is_removed_in_time(settings: HostSettings) -> None:
    save(settings, "1", 10, NOW - 20 * DAY)
    save(settings, "2", 10, NOW - 20 * DAY)
    archives.write_state(settings, "shop-1", CacheState("2"))
    assert archives.collect(settings, NOW) == ["1"]
    # Its days count from when its last environment was seen.
    (settings.env("shop-1") / "run" / "cache.json").unlink()
    assert archives.collect(settings, NOW + 13 * DAY) == []
    assert archives.collect(settings, NOW + 15 * DAY) == ["2"]


def test_archive_in_use_is_bounded_too(settings: HostSettings) -> None:
    save(settings, "1", 2000, NOW)
    archives.write_state(settings, "shop-1", CacheState("1"))
    assert archives.collect(settings, NOW) == ["1"]


def test_open_archive_survives_its_replacement(settings: HostSettings) -> None:
    save(settings, "1", 10, NOW)
    found = archives.open_archive(settings, "1", NOW)
    assert found is not None
    with found:
        save(settings, "1", 20, NOW)
        archives.remove(settings, "1")
        assert found.read() == b"x" * 10
    assert not archives.remove(settings, "1")


def test_unfinished_archives_are_removed(settings: HostSettings) -> None:
    save(settings, "1", 10, NOW)
    unfinished = archives.folder(settings) / ".1.tar.c0ffee00"
    unfinished.touch()
    os.utime(unfinished, (NOW, NOW))
    archives.collect(settings, NOW + 60)
    assert unfinished.exists()
    archives.collect(settings, NOW + 2 * archives.STALE_SECONDS)
    assert not unfinished.exists()
    assert kept(settings) == ["1"]


def test_error_keeps_the_previous_archive(settings: HostSettings) -> None:
    save(settings, "1", 10, NOW)
    with pytest.raises(BufferError), archives.replacing(settings, "1") as file:
        file.write(memoryview(b"yyyy")[::2])  # isn't contiguous
    assert archives.list_archives(settings)[0].size == 10
    assert len(list(archives.folder(settings).iterdir())) == 1


@pytest.mark.parametrize("repository", ["../42", "a/b", ".", "", "42\n"])
def test_repository_cannot_name_a_path(settings: HostSettings, repository: str) -> None:
    """S3"""
    with pytest.raises(TargetError, match="can't name a build cache"):
        archives.path(settings, repository)

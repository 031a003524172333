"""Screenshots of test suites are untrusted files. Rows: P4, S3."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from programs import screenshots
from programs.kit import suite_screenshots
from programs.screenshots import Picture
from tests.pictures import SVG, declared_png, jpeg, png


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (png(3, 4), Picture("png", 3, 4)),
        (jpeg(5, 6), Picture("jpg", 5, 6)),
        (declared_png(100_000, 100_000), None),
        (declared_png(0, 10), None),
        (png()[:20], None),
        (jpeg()[:20], None),
        (b"\xff\xd8\xff\xe0\x00\x00" + b"\0" * 20, None),
        (SVG, None),
        (b"GIF89a" + b"\0" * 20, None),
        (b"<html>" + png(), None),
        (b"", None),
    ],
)
def test_a_picture_is_what_its_content_says(data: bytes, found: Picture | None) -> None:
    assert screenshots.identify(data) == found


@given(st.binary(max_size=200))
def test_no_content_confuses_it(data: bytes) -> None:
    for start in (b"", png()[:16], jpeg()[:4], jpeg()[:22]):
        screenshots.identify(start + data)


def _read(checkout: Path, folder: str = "test-results", since: float = 0.0) -> list[str]:
    return [item.name for item in suite_screenshots.read(checkout, folder, since).files]


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_pictures_are_found_in_folders(tmp_path: Path) -> None:
    top = tmp_path / "test-results"
    for name in ("b/test-failed-1.png", "a.JPG", "c.jpeg"):
        _write(top / name, jpeg())
    _write(top / "notes.txt", png())
    _write(tmp_path / "elsewhere.png", png())
    assert _read(tmp_path) == ["a.JPG", "b/test-failed-1.png", "c.jpeg"]
    assert _read(tmp_path, "test-results/b") == ["test-failed-1.png"]
    assert _read(tmp_path, ".") == [
        "elsewhere.png", "test-results/a.JPG", "test-results/b/test-failed-1.png", "test-results/c.jpeg",
    ]  # fmt: skip
    assert _read(tmp_path, "nothing") == []


def test_a_name_is_no_proof(tmp_path: Path) -> None:
    _write(tmp_path / "test-results" / "page.png", SVG)
    _write(tmp_path / "test-results" / "bomb.png", declared_png(60_000, 60_000))
    assert _read(tmp_path) == []


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    secret = _write(tmp_path / "secret" / "picture.png", png())
    checkout = tmp_path / "checkout"
    top = checkout / "test-results"
    top.mkdir(parents=True)
    (top / "link.png").symlink_to(secret)
    (top / "way").symlink_to(secret.parent)
    os.mkfifo(top / "pipe.png")
    assert _read(checkout) == []
    assert _read(checkout, "../secret") == []
    (checkout / "results").symlink_to(secret.parent)
    assert _read(checkout, "results") == []


def test_older_files_are_not_the_suites(tmp_path: Path) -> None:
    """The repository's own pictures, and those of a suite that ran before."""
    old = _write(tmp_path / "test-results" / "expected.png", png())
    began = time.time()
    os.utime(old, (began - 60, began - 60))
    _write(tmp_path / "test-results" / "actual.png", png())
    assert _read(tmp_path, since=began) == ["actual.png"]


def test_there_is_a_limit_for_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "test-results"
    for number in range(25):
        _write(top / f"{number:02}.png", png())
    found = suite_screenshots.read(tmp_path, "test-results", 0)
    assert (len(found.files), found.omitted) == (screenshots.MAX_FILES, 5)
    monkeypatch.setattr(screenshots, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(screenshots, "MAX_TOTAL_BYTES", 1500)
    _write(top / "00.png", png(padding=1000))
    large = [png(padding=600)] * 2
    _write(top / "01.png", large[0])
    _write(top / "02.png", large[1])
    found = suite_screenshots.read(tmp_path, "test-results", 0)
    names = [item.name for item in found.files]
    assert "00.png" not in names
    assert sum(len(item.data) for item in found.files) <= screenshots.MAX_TOTAL_BYTES
    monkeypatch.setattr(suite_screenshots, "MAX_ENTRIES", 3)
    assert len(suite_screenshots.read(tmp_path, "test-results", 0).files) <= 3
    deep = top.joinpath(*"abcdefghijkl")
    _write(deep / "deep.png", png())
    monkeypatch.setattr(suite_screenshots, "MAX_ENTRIES", 2000)
    assert not any(name.endswith("deep.png") for name in _read(tmp_path))


def test_names_are_only_text(tmp_path: Path) -> None:
    top = tmp_path / "test-results"
    top.mkdir()
    for raw in (b"\xff\n.png", b"x" * 250 + b".png"):
        (Path(os.fsdecode(os.fsencode(top) + b"/" + raw))).write_bytes(png())
    for name in _read(tmp_path):
        assert name.isprintable()
        assert len(name) <= screenshots.MAX_NAME_LENGTH

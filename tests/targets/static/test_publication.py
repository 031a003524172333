"""What a build can leave in the folder that is published. Row: T9."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from programs.kit.errors import TargetError
from programs.targets.static import publication

LIMIT = 10_000


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    made = tmp_path / "checkout"
    (made / "dist" / "css").mkdir(parents=True)
    (made / "dist" / "index.html").write_text("home")
    (made / "dist" / "css" / "a.css").write_text("a")
    (made / "private.txt").write_text("private")
    return made


def test_copy_contains_files_instead_of_links(checkout: Path, tmp_path: Path) -> None:
    (checkout / "dist" / "latest.html").symlink_to("index.html")
    publication.copy_site(checkout, "dist", tmp_path / "site", LIMIT)
    found = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert found == {"index.html", "latest.html", "css/a.css"}
    assert not (tmp_path / "site" / "latest.html").is_symlink()


def nest(dist: Path) -> None:
    for _ in range(publication.MAX_DEPTH + 2):
        dist = dist / "d"
        dist.mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda dist: (dist / "x").symlink_to("/etc/passwd"), "x is a symbolic link to a place outside"),
        (lambda dist: (dist / "x").symlink_to("../private.txt"), "x is a symbolic link to a place outside"),
        (lambda dist: (dist / "x").symlink_to("css"), "x is not a regular file"),
        (lambda dist: (dist / "x").symlink_to("gone"), "x can't be published: No such file"),
        (lambda dist: os.mkfifo(dist / "x"), "x is not a regular file"),
        (lambda dist: os.truncate(dist / "index.html", 1 << 40), "larger than 10,000 bytes.*static.site_bytes"),
        (nest, "nested deeper than 40 folders"),
    ],
)
def test_what_cannot_be_published_is_refused(
    checkout: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(checkout / "dist")
    with pytest.raises(TargetError, match=message):
        publication.copy_site(checkout, "dist", tmp_path / "site", LIMIT)


def test_published_folder_cannot_be_a_link_to_another_place(checkout: Path, tmp_path: Path) -> None:
    (checkout / "out").symlink_to(tmp_path)
    with pytest.raises(TargetError, match="outside the repository"):
        publication.copy_site(checkout, "out", tmp_path / "site", LIMIT)
    with pytest.raises(TargetError, match=r"no folder build after the build\. Change static\.root"):
        publication.copy_site(checkout, "build", tmp_path / "site", LIMIT)


def test_site_needs_a_first_page(checkout: Path) -> None:
    publication.check_pages(checkout / "dist", "dist", None)
    with pytest.raises(TargetError, match=r"no index\.html in dist/css"):
        publication.check_pages(checkout / "dist" / "css", "dist/css", None)
    with pytest.raises(TargetError, match=r"no file app\.html in dist.*static\.fallback"):
        publication.check_pages(checkout / "dist", "dist", "app.html")

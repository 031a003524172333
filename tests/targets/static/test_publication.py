"""What a build can leave in the folder that is published. Row: T9."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from programs.kit.errors import TargetError
from programs.targets.static import publication, wording

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
    ("spoil", "sentence"),
    [
        (lambda dist: (dist / "x").symlink_to("/etc/passwd"), wording.link_outside("x")),
        (lambda dist: (dist / "x").symlink_to("../private.txt"), wording.link_outside("x")),
        (lambda dist: (dist / "x").symlink_to("css"), wording.not_regular("x")),
        (lambda dist: (dist / "x").symlink_to("gone"), wording.unreadable("x", os.strerror(errno.ENOENT))),
        (lambda dist: os.mkfifo(dist / "x"), wording.not_regular("x")),
        (lambda dist: os.truncate(dist / "index.html", 1 << 40), wording.site_too_large(LIMIT)),
        (nest, wording.too_deep("/".join(["d"] * (publication.MAX_DEPTH + 1)), publication.MAX_DEPTH)),
    ],
)
def test_what_cannot_be_published_is_refused(
    checkout: Path, tmp_path: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(checkout / "dist")
    assert refusal(publication.copy_site, checkout, "dist", tmp_path / "site", LIMIT) == sentence


def test_published_folder_cannot_be_a_link_to_another_place(checkout: Path, tmp_path: Path) -> None:
    (checkout / "out").symlink_to(tmp_path)
    site = tmp_path / "site"
    assert refusal(publication.copy_site, checkout, "out", site, LIMIT) == wording.root_outside("out")
    assert refusal(publication.copy_site, checkout, "build", site, LIMIT) == wording.no_folder("build")


def test_site_needs_a_first_page(checkout: Path) -> None:
    publication.check_pages(checkout / "dist", "dist", None)
    check = publication.check_pages
    assert refusal(check, checkout / "dist" / "css", "dist/css", None) == wording.no_index("dist/css")
    assert refusal(check, checkout / "dist", "dist", "app.html") == wording.no_fallback("app.html", "dist")


def refusal(function: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(TargetError) as error:
        function(*arguments)
    return error.value.sentence

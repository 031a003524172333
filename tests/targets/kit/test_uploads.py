"""Uploaded bundles are untrusted: what the server refuses, keeps and removes (M1, S3)."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from programs.kit.git import bundles, checkouts, mirrors
from programs.kit.git.bundles import InvalidBundle
from programs.kit.git.uploads import REMEMBERED, FileTooLarge, UploadStore
from tests.pack_files import BLOB, TREE, PackFile, one_file
from tests.targets.local_machine import local_settings

LIMIT = 2_000_000
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path / "uploads", LIMIT)


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "uploads").rglob("*.git"))


def refusal(store: UploadStore, tmp_path: Path, bundle: Path) -> str:
    with pytest.raises(InvalidBundle) as error:
        store.accept(1, bundle, "ada", AT)
    assert left(tmp_path) == []
    assert list((tmp_path / "uploads").rglob("*.pack")) == []
    return str(error.value)


def test_an_upload_is_its_own_mirror_and_can_be_checked_out(store: UploadStore, tmp_path: Path) -> None:
    commit, bundle = one_file(tmp_path / "b.bundle")
    assert store.accept(1, bundle, "ada", AT).commit == commit
    url = store.clone_url(1, commit)
    settings = local_settings(tmp_path)
    target = settings.env("shop") / "src" / "x"
    checkouts.create(settings, (url, commit), target)
    assert (target / "eph.yaml").read_text() == "hello"
    assert mirrors.fetch(settings, url, commit) == Path(url)
    assert store.read_file(1, commit, "eph.yaml", 5) == b"hello"
    assert store.read_file(1, commit, "other.yaml", 5) is None
    with pytest.raises(FileTooLarge):
        store.read_file(1, commit, "eph.yaml", 4)


def test_an_upload_belongs_to_its_uploader_and_repository(store: UploadStore, tmp_path: Path) -> None:
    commit, bundle = one_file(tmp_path / "b.bundle")
    store.accept(1, bundle, "ada", AT)
    assert store.is_owner(1, commit, "ada")
    assert not store.is_owner(1, commit, "bob")
    assert not store.is_owner(2, commit, "ada")
    store.accept(1, bundle, "bob", AT)
    assert store.is_owner(1, commit, "ada")
    assert store.is_owner(1, commit, "bob")
    for odd in ("../../etc", "", commit[:12], commit.upper()):
        assert store.clone_url(1, odd) == ""


def test_unused_uploads_are_removed_with_their_files(store: UploadStore, tmp_path: Path) -> None:
    used, bundle = one_file(tmp_path / "b.bundle")
    store.accept(1, bundle, "ada", AT)
    unused, bundle = one_file(tmp_path / "c.bundle", b"other")
    store.accept(1, bundle, "ada", AT)
    store.incoming().write_bytes(b"half received")
    assert store.remove_unused({(1, used)}, AT - timedelta(minutes=5)) == []
    later = datetime.now(UTC) + timedelta(minutes=5)
    assert [each.commit for each in store.remove_unused({(1, used)}, later)] == [unused]
    assert [path.stem for path in left(tmp_path)] == [used]
    assert list((tmp_path / "uploads" / "incoming").iterdir()) == []


def test_only_its_uploader_renews_an_upload(store: UploadStore, tmp_path: Path) -> None:
    commit, bundle = one_file(tmp_path / "b.bundle")
    store.accept(1, bundle, "ada", AT)
    hour = timedelta(hours=1)
    assert not store.renew(1, commit, "bob", AT + 2 * hour)
    assert not store.renew(2, commit, "ada", AT + 2 * hour)
    assert store.renew(1, commit, "ada", AT + hour)
    assert store.remove_unused([], AT + hour) == []
    assert [each.commit for each in store.remove_unused([], AT + 2 * hour)] == [commit]
    assert not store.renew(1, commit, "ada", AT + 3 * hour)


def test_a_removed_upload_is_remembered_for_a_while(store: UploadStore, tmp_path: Path) -> None:
    commit, bundle = one_file(tmp_path / "b.bundle")
    assert not store.was_uploaded(1, commit)
    store.accept(1, bundle, "ada", AT)
    later = AT + timedelta(hours=1)
    store.remove_unused([], later)
    assert (store.was_uploaded(1, commit), store.clone_url(1, commit)) == (True, "")
    store.remove_unused([], later + REMEMBERED)
    assert store.was_uploaded(1, commit)
    store.remove_unused([], later + REMEMBERED + timedelta(seconds=1))
    assert not store.was_uploaded(1, commit)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"PACK",
        b"# v3 git bundle\n@object-format=sha1\n%s refs/eph/working-copy\n\n",
        b"# v2 git bundle\n-%s base\n%s refs/eph/working-copy\n\n",
        b"# v2 git bundle\n%s refs/heads/main\n\n",
        b"# v2 git bundle\n%s refs/eph/working-copy\n%s refs/heads/main\n\n",
        b"# v2 git bundle\n\n",
        b"# v2 git bundle\n" + b"0" * 5000,
    ],
)
def test_a_header_that_is_not_exactly_ours_is_refused(store: UploadStore, tmp_path: Path, header: bytes) -> None:
    commit, bundle = one_file(tmp_path / "b.bundle")
    body = bundle.read_bytes().partition(b"\n\n")[2]
    bundle.write_bytes(header.replace(b"%s", commit.encode()) + body)
    assert "bundle" in refusal(store, tmp_path, bundle)


@pytest.mark.parametrize("name", [b".git", b"..", b".", b"a/b", b".GIT", b"git~1", b".git\xe2\x80\x8c"])
def test_names_that_reach_out_of_the_folder_are_refused(store: UploadStore, tmp_path: Path, name: bytes) -> None:
    """As files and as folders; the last ones are `.git` on some file systems."""
    for mode, kind in (("100644", BLOB), ("40000", TREE)):
        pack = PackFile()
        commit = pack.commit(pack.tree((mode, name, pack.add(kind, b""))))
        assert "git refused" in refusal(store, tmp_path, pack.bundle(tmp_path / "b.bundle", commit))


def test_duplicate_names_and_missing_objects_are_refused(store: UploadStore, tmp_path: Path) -> None:
    pack = PackFile()
    blob = pack.add(BLOB, b"x")
    twice = pack.commit(pack.tree(("100644", b"a", blob), ("100644", b"a", blob)))
    assert "git refused" in refusal(store, tmp_path, pack.bundle(tmp_path / "b.bundle", twice))
    pack = PackFile()
    missing = pack.commit(pack.tree(("100644", b"a", "1" * 40)))
    assert "git refused" in refusal(store, tmp_path, pack.bundle(tmp_path / "c.bundle", missing))


def test_damaged_and_cut_bundles_are_refused(store: UploadStore, tmp_path: Path) -> None:
    _, bundle = one_file(tmp_path / "b.bundle")
    whole = bundle.read_bytes()
    for text in (whole[:-1], whole[: len(whole) // 2], whole[:-30] + b"x" + whole[-29:]):
        bundle.write_bytes(text)
        assert "git refused" in refusal(store, tmp_path, bundle)


def test_a_commit_with_history_is_refused(store: UploadStore, tmp_path: Path) -> None:
    pack = PackFile()
    tree = pack.tree(("100644", b"a", pack.add(BLOB, b"x")))
    commit = pack.commit(tree, b"parent %s\n" % pack.commit(tree).encode())
    assert "has a parent" in refusal(store, tmp_path, pack.bundle(tmp_path / "b.bundle", commit))


def test_a_ref_that_is_no_commit_or_not_in_the_pack_is_refused(store: UploadStore, tmp_path: Path) -> None:
    pack = PackFile()
    blob = pack.add(BLOB, b"x")
    assert "is a blob" in refusal(store, tmp_path, pack.bundle(tmp_path / "b.bundle", blob))
    assert "doesn't contain" in refusal(store, tmp_path, pack.bundle(tmp_path / "c.bundle", "2" * 40))


def test_trees_too_deep_or_too_many_are_refused(store: UploadStore, tmp_path: Path) -> None:
    pack = PackFile()
    tree = pack.tree(("100644", b"a", pack.add(BLOB, b"x")))
    for _ in range(150):
        tree = pack.tree(("40000", b"d", tree))
    assert "levels" in refusal(store, tmp_path, pack.bundle(tmp_path / "b.bundle", pack.commit(tree)))
    pack = PackFile()  # ten objects that describe ten billion files
    tree = pack.tree(("100644", b"a", pack.add(BLOB, b"x")))
    for _ in range(10):
        tree = pack.tree(*(("40000", b"%d" % index, tree) for index in range(10)))
    assert "more than 200000" in refusal(store, tmp_path, pack.bundle(tmp_path / "c.bundle", pack.commit(tree)))


def test_a_small_bundle_of_huge_files_is_refused(store: UploadStore, tmp_path: Path) -> None:
    pack = PackFile()
    entries = [("100644", b"%d" % index, pack.add(BLOB, bytes(30_000_000) + b"%d" % index)) for index in range(2)]
    bundle = pack.bundle(tmp_path / "b.bundle", pack.commit(pack.tree(*entries)))
    assert bundle.stat().st_size < 100_000
    assert "57 MB in total" in refusal(store, tmp_path, bundle)


def test_a_bundle_over_the_limit_is_refused(store: UploadStore, tmp_path: Path) -> None:
    noise = b"".join(hashlib.sha256(bytes([a, b])).digest() for a in range(256) for b in range(256))
    _, bundle = one_file(tmp_path / "b.bundle", noise)
    assert bundle.stat().st_size > LIMIT
    assert "git refused" in refusal(store, tmp_path, bundle)


def test_a_delta_that_expands_to_gigabytes_is_refused(
    store: UploadStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the limit for memory, which is lower here so that the test is fast."""
    monkeypatch.setattr(bundles, "MAX_MEMORY", 64_000_000)
    UploadStore(tmp_path / "fits", LIMIT).accept(1, one_file(tmp_path / "a.bundle")[1], "ada", AT)
    pack = PackFile()
    pack.add_delta(pack.add(BLOB, bytes(65_536)), copies=4_000)
    commit = pack.commit(pack.tree(("100644", b"a", pack.add(BLOB, b"x"))))
    said = refusal(store, tmp_path, pack.bundle(tmp_path / "b.bundle", commit))
    assert "git refused" in said


def test_real_git_bundles_are_accepted(store: UploadStore, tmp_path: Path) -> None:
    """Also with deltas, and with a link and an executable file."""
    work = tmp_path / "work"
    work.mkdir()

    def git(*words: str) -> str:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(["git", "-C", str(work), *settings, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    lines = "\n".join(f"line {number}" for number in range(3000))
    (work / "a.txt").write_text(lines)
    (work / "b.txt").write_text(lines.replace("line 77", "other"))
    (work / "run").write_text("#!/bin/sh\n")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("a.txt")
    git("add", "-A")
    git("commit", "-qm", "x")
    git("update-ref", bundles.REF, "HEAD")
    git("bundle", "create", "-q", str(tmp_path / "b.bundle"), bundles.REF)
    snapshot = store.accept(1, tmp_path / "b.bundle", "ada", AT)
    assert (snapshot.commit, snapshot.files) == (git("rev-parse", "HEAD"), 4)

"""Commits become plain folders, and harmful ones are rejected (T1, S3, S4)."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from programs.kit import files
from programs.kit.errors import TargetError
from programs.kit.git import checkouts, mirrors
from programs.redaction import redact
from programs.targets.local.v1.places import CheckoutProvider
from tests.targets.local_machine import Repository, local_settings


def refusal_message(
    folder: Path, repository: Repository, commit: str, *, permanent: bool = False, **changes: str
) -> str:
    """``permanent``: only another commit can help, so it isn't tried again (L5)."""
    target = folder / "root" / "envs" / "shop" / "src" / "x"
    with pytest.raises(TargetError) as caught:
        checkouts.create(local_settings(folder, **changes), (str(repository.bare), commit), target)
    assert list(target.parent.glob("*")) + list(target.parent.glob(".*")) == [], "a refused checkout left something"
    assert caught.value.permanent is permanent
    return caught.value.sentence


def test_a_checkout_is_plain_files_and_runs_nothing(tmp_path: Path, repository: Repository) -> None:
    """T1 S3: no hook, no filter, no submodule, no repository; internal links stay, and earlier leftovers are
    removed."""
    marker = tmp_path / "ran"
    attributes = "*.txt filter=evil\nkept.md export-ignore\n"
    repository.push({".gitattributes": attributes, "a.txt": "text", "kept.md": "kept", "deep/down/b.txt": "b"})
    (repository.work / "deep" / "link").symlink_to("../a.txt")
    commit = repository.push({".gitmodules": f'[submodule "x"]\npath = x\nurl = ext::touch {marker}\n'})
    made = local_settings(tmp_path)
    target = made.env("shop") / "src" / "x"
    files.make_folder(target)
    (target / "half-made").write_text("of an earlier try")
    checkouts.create(made, (str(repository.bare), commit), target)
    assert (target / "deep" / "link").read_text() == "text"
    assert (target / "kept.md").read_text() == "kept"
    assert not (target / "half-made").exists()
    assert not (target / ".git").exists()
    assert not marker.exists()


@pytest.mark.parametrize("to", ["/etc/passwd", "../outside", "a/b/c/way/../../outside"])
def test_links_out_of_the_repository_are_rejected(tmp_path: Path, repository: Repository, to: str) -> None:
    """S3: by their real target; the last one's text stays inside, but it goes through another link."""
    repository.push({"sub/file": "x", "a/b/c/file": "y"})
    (repository.work / "a" / "b" / "c" / "way").symlink_to("../../../sub")
    (repository.work / "bad").symlink_to(to)
    said = refusal_message(tmp_path, repository, repository.push({}), permanent=True)
    assert f"bad is a symbolic link to {to!r}, which is outside the repository" in said


def test_too_large_and_unknown_commits_are_rejected(tmp_path: Path, repository: Repository) -> None:
    """T1 S3: with the number, the limit and what to do."""
    commit = repository.push({"large.bin": "x" * 3_000_000})
    said = refusal_message(tmp_path, repository, commit, checkout_bytes="2000000")
    assert "3 MB" in said
    assert "limit is 2 MB" in said
    assert "push again" in refusal_message(tmp_path, repository, "b" * 40)
    gone = Repository(tmp_path / "nowhere.git", repository.work)
    assert "Couldn't fetch" in refusal_message(tmp_path, gone, commit)
    assert "must be a full hexadecimal ID" in refusal_message(tmp_path, repository, "--upload-pack=touch")


def commit_tree(repository: Repository, content: str) -> str:
    """Creates a commit by writing its trees directly, without a working copy. ``content`` is a line of `git mktree`."""
    tree = repository.mktree(content)
    commit = repository.git("commit-tree", tree, "-m", "hostile")
    repository.git("push", "--quiet", "--force", str(repository.bare), f"{commit}:refs/heads/main")
    return commit


def nested(repository: Repository, names: list[str], content: str) -> str:
    for name in names:
        content = f"040000 tree {repository.mktree(content)}\t{name}"
    return content


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["d"] * 150, "a path of 101 levels"),
        (["n" * 200] * 6, "bytes: nnnn"),
        (["new\\nline"] * 101, r"'new\nline/"),
    ],
    ids=["deep", "long", "odd"],
)
def test_paths_that_are_too_deep_or_too_long_are_rejected(
    tmp_path: Path, repository: Repository, names: list[str], words: str
) -> None:
    """S3: a tree of any depth could be checked out, but the programs that handle it later fail on a deep one."""
    blob = repository.git("hash-object", "-w", "/dev/null")
    odd = [f'"{name}"' if "\\" in name else name for name in names]
    commit = commit_tree(repository, nested(repository, odd, f"100644 blob {blob}\tfile"))
    said = refusal_message(tmp_path, repository, commit, permanent=True)
    assert words in said
    assert "The limit is" in said
    assert "\n" not in said


@pytest.mark.parametrize("leaf", ["file", "nothing"])
def test_few_objects_that_describe_billions_of_entries_are_rejected(
    tmp_path: Path, repository: Repository, leaf: str
) -> None:
    """S3: 12 trees of 10 entries each; with ``nothing``, there isn't even a file in them."""
    blob = repository.git("hash-object", "-w", "/dev/null")
    tree = repository.mktree(f"100644 blob {blob}\tfile" if leaf == "file" else "")
    for _ in range(11):
        tree = repository.mktree("\n".join(f"040000 tree {tree}\t{number}" for number in range(10)))
    said = refusal_message(tmp_path, repository, commit_tree(repository, f"040000 tree {tree}\tbomb"), permanent=True)
    assert "contains more than 200000 files and folders" in said


def test_odd_names_are_checked_out_and_shown_on_one_line(tmp_path: Path, repository: Repository) -> None:
    odd = os.fsdecode(b"\xff\n\x1b[2J")
    (repository.work / odd).symlink_to("/etc/passwd")
    said = refusal_message(tmp_path, repository, repository.push({"-rf": "x"}), permanent=True)
    assert said.startswith(r"'\udcff\n\x1b[2J' is a symbolic link")
    said.encode()


def test_the_error_names_the_setting_of_the_target(tmp_path: Path, repository: Repository) -> None:
    commit = repository.push({"large.bin": "x" * 3_000_000})
    props = {"clone_url": str(repository.bare), "commit": commit, "environment": "shop", "generation": "1"}
    with pytest.raises(TargetError, match=r"limit is 2 MB \(setting local\.checkout_bytes\)"):
        CheckoutProvider().make(local_settings(tmp_path, checkout_bytes="2000000"), props)


def test_endless_repository_does_not_fill_the_disk(tmp_path: Path, repository: Repository) -> None:
    """S3: a fetch is limited before the size of the files is known, and a partial pack is removed."""
    (repository.work / "noise.bin").write_bytes(os.urandom(17_000_000))
    commit = repository.push({})
    said = refusal_message(tmp_path, repository, commit, checkout_bytes="8")
    assert "is larger than 16 MB" in said
    assert "this server's limit" in said
    left = sum(path.stat().st_size for path in (tmp_path / "root" / "mirrors").rglob("*") if path.is_file())
    assert left < 1_000_000


def test_submodules_and_lfs_files_are_reported(tmp_path: Path, repository: Repository) -> None:
    """S3: submodules and LFS would make this machine contact hosts that the repository chooses."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
    repository.push({"model.bin": pointer, "pointer": pointer})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},vendor/lib")
    repository.git("commit", "--quiet", "-m", "a submodule")
    repository.git("push", "--quiet", str(repository.bare), "HEAD:main")
    commit = repository.git("rev-parse", "HEAD")
    made = local_settings(tmp_path)
    target = made.env("shop") / "src" / "x"
    notes = checkouts.create(made, (str(repository.bare), commit), target)
    assert notes == (
        "'vendor/lib': submodules aren't fetched; the folder is empty",
        "'model.bin', 'pointer': Git LFS files aren't fetched; the file contains the pointer",
    )
    assert list((target / "vendor" / "lib").iterdir()) == []


@pytest.mark.parametrize("url", ["", "--upload-pack=x", "ext::sh -c touch", "-x"])
def test_clone_urls_that_are_commands_are_rejected(url: str) -> None:
    with pytest.raises(TargetError, match="Clone URL"):
        mirrors.parse_remote(url)


def test_password_of_a_clone_url_stays_off_command_lines_and_errors() -> None:
    """S4: it is passed as a header in git's environment."""
    found = mirrors.parse_remote("https://x-access-token:s3cret@example.com/acme/shop.git")
    assert found.url == "https://example.com/acme/shop.git"
    assert found.header.startswith("Authorization: Basic ")
    assert "s3cret" not in redact("fatal: could not read https://bot:s3cret@example.com/x")


def test_commits_come_from_branches_and_pull_requests_and_force_pushes(tmp_path: Path, repository: Repository) -> None:
    """T1: one mirror, filled concurrently."""
    made = local_settings(tmp_path)
    first = repository.push({"a": "1"})
    second = repository.push({"a": "2"}, branch="topic")
    repository.git("push", "--quiet", str(repository.bare), f"{second}:refs/pull/7/head")
    third = repository.push({"a": "3"})
    failed: list[BaseException] = []

    def make(commit: str) -> None:
        try:
            checkouts.create(made, (str(repository.bare), commit), made.envs / commit[:12])
        except TargetError as error:
            failed.append(error)

    threads = [threading.Thread(target=make, args=(commit,)) for commit in (first, second, third)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [(made.envs / commit[:12] / "a").read_text() for commit in (first, second, third)] == ["1", "2", "3"]


def test_scripts_are_files_of_the_repository(tmp_path: Path) -> None:
    """S3 D1"""
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "a.sql").write_text("select 1")
    assert checkouts.file_in_checkout(tmp_path / "db", "./a.sql").name == "a.sql"
    for path, said in (
        ("../../etc/passwd", "is outside the repository"),
        ("/etc/passwd", "is outside the repository"),
        ("missing.sql", "file missing.sql doesn.t exist"),
    ):
        with pytest.raises(TargetError, match=said) as caught:
            checkouts.file_in_checkout(tmp_path / "db", path)
        assert caught.value.permanent, "only another commit can help (L5)"

"""One contract for every Git host: the fake, the production client on the sandbox, and on a GitHub we didn't write.

Rows: L1, L3 (labels), L7, P1, P2 (checks), S2 (who may write). Pitfalls 3, 6, 8, 9, 11.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from orchestrator.core.model.world import CheckState
from orchestrator.demo.github.demo_github import DemoGitHub
from orchestrator.forges.port import (
    EXPIRED,
    CheckReport,
    Conclusion,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    ForgeUnsupported,
    RefList,
)
from orchestrator.forges.pull_requests import PullState
from stacks.model import RefKind
from tests.contracts.forge_hosts import Host, repository, require_support
from tests.contracts.sandbox_host import SandboxHost

READY = CheckReport(Conclusion.SUCCESS, "Ready", "It answers", "http://shop.localhost/")


def test_open_pull_requests_come_with_labels_and_commit(host: Host) -> None:
    """L1, L3: labels set before or after opening are seen in the next cycle, without any webhook."""
    forge, shop = repository(host)
    assert forge.pulls(shop).open == ()
    sha = host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    host.label(number, "preview")
    found = forge.pulls(shop)
    assert found.complete
    [pull] = found.open
    assert (pull.key.number, pull.key.repository) == (number, shop.id)
    assert (pull.labels, pull.head_sha, pull.head_ref, pull.base_ref) == (frozenset({"preview"}), sha, "one", "main")
    assert (pull.state, pull.author, pull.from_fork) == (PullState.OPEN, "ada", False)


def test_push_changes_the_commit_in_the_next_cycle(host: Host) -> None:
    """L1, L5, pitfall 11: never an outdated head commit."""
    require_support(host, "pushes")
    forge, shop = repository(host)
    host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    forge.pulls(shop)
    sha = host.push("one", {"message.txt": "two\n"})
    assert forge.pulls(shop).open[0].head_sha == sha
    assert forge.pull(shop, number).head_sha == sha


def test_closed_merged_reopened(host: Host) -> None:
    """L7: states that the host reports explicitly."""
    forge, shop = repository(host)
    for name in ("one", "two"):
        host.push(name, {f"{name}.txt": name})
    one, two = host.open_pull("one"), host.open_pull("two")
    host.close(one)
    host.merge(two)
    assert forge.pulls(shop).open == ()
    assert (forge.pull(shop, one).state, forge.pull(shop, two).state) == (PullState.CLOSED, PullState.MERGED)
    host.reopen(one)
    assert [pull.key.number for pull in forge.pulls(shop).open] == [one]
    assert forge.pull(shop, one).state is PullState.OPEN


def test_gone_only_if_the_repository_itself_responds(host: Host) -> None:
    """L7, pitfall 3: a number that never existed is gone; the same in a repository we can't see is an error."""
    forge, shop = repository(host)
    assert forge.pull(shop, 4711).state is PullState.GONE
    host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    assert len(forge.pulls(shop).open) == 1
    host.delete_repository()
    for ask in (lambda: forge.pull(shop, number), lambda: forge.pull(shop, 4711), lambda: forge.pulls(shop)):
        with pytest.raises(ForgeError):
            ask()


def test_files_at_a_commit(host: Host) -> None:
    """Y1: read at the head commit; missing and too large are distinguished."""
    forge, shop = repository(host)
    sha = host.push("one", {"eph.yaml": "version: 2\n"})
    later = host.push("one", {"eph.yaml": "version: 3\n"})
    assert forge.file(shop, "eph.yaml", sha, 1000) == b"version: 2\n"
    assert forge.file(shop, "eph.yaml", later, 1000) == b"version: 3\n"
    with pytest.raises(ForgeNotFound, match=r"nowhere\.yaml"):
        forge.file(shop, "nowhere.yaml", sha, 1000)
    with pytest.raises(ForgeRefused, match=r"\b5\b"):
        forge.file(shop, "eph.yaml", sha, 5)


def test_branches_and_tags_by_glob(host: Host) -> None:
    """L3: each with its commit; an annotated tag has its commit, too; deleted refs are gone in the next cycle."""
    forge, shop = repository(host)
    one, two = host.push("release/1", {"a.txt": "1\n"}), host.push("release/2", {"a.txt": "2\n"})
    host.push("other", {"a.txt": "3\n"})
    assert forge.refs(shop, RefKind.BRANCH, ("release/*",)) == RefList({"release/1": one, "release/2": two})
    assert forge.refs(shop, RefKind.BRANCH, ("release/1", "nothing/*")).commits == {"release/1": one}
    assert forge.refs(shop, RefKind.TAG, ("**",)) == RefList({})
    host.tag("v1.0", one)
    host.tag("v2.0", two, "The second")
    host.tag("w1", two)
    assert forge.refs(shop, RefKind.TAG, ("v*",)) == RefList({"v1.0": one, "v2.0": two})
    host.delete_ref("tags/v1.0")
    host.delete_ref("heads/release/1")
    assert forge.refs(shop, RefKind.TAG, ("v*",)).commits == {"v2.0": two}
    assert forge.refs(shop, RefKind.BRANCH, ("release/*",)).commits == {"release/2": two}


def test_refs_of_an_inaccessible_repository_are_an_error(host: Host) -> None:
    """L7, pitfall 3: never an empty list."""
    forge, shop = repository(host)
    host.delete_repository()
    with pytest.raises(ForgeError):
        forge.refs(shop, RefKind.BRANCH, ("**",))


def test_what_a_pull_request_changes(host: Host) -> None:
    """L3: path filters see every file that differs from the base, whichever commit changed it."""
    require_support(host, "changed files")
    forge, shop = repository(host)
    host.push("one", {"web/app.py": "1\n"})
    host.push("one", {"docs/page.md": "1\n"})
    number = host.open_pull("one")
    found = forge.changed_files(shop, number)
    assert found.complete
    assert found.paths == {"web/app.py", "docs/page.md"}


def test_checks_of_others_without_our_own(host: Host) -> None:
    """L3: wait_for_checks sees CI's checks of that commit, and never our own."""
    forge, shop = repository(host)
    sha = host.push("one", {"message.txt": "one\n"})
    wanted = {"build": CheckState.PASSED, "lint": CheckState.FAILED, "slow": CheckState.PENDING}
    for name, state in wanted.items():
        host.set_check(sha, name, state)
    forge.report_check(shop, sha, "eph", READY)
    assert forge.checks(shop, sha) == wanted


def test_statuses_of_others_count_as_checks(host: Host) -> None:
    """L3: older CI systems set commit statuses; the newest of a name counts, and the worse of two kinds."""
    require_support(host, "statuses")
    forge, shop = repository(host)
    sha = host.push("one", {"message.txt": "one\n"})
    host.set_status(sha, "ci/build", CheckState.PENDING)
    host.set_status(sha, "ci/build", CheckState.PASSED)
    host.set_status(sha, "ci/lint", CheckState.FAILED)
    assert forge.checks(shop, sha) == {"ci/build": CheckState.PASSED, "ci/lint": CheckState.FAILED}


def test_prefetched_data_is_correct(host: Host) -> None:
    """L4: many commits in one query where the host supports it; the results equal those of single requests."""
    forge, shop = repository(host)
    first = host.push("one", {"eph.yaml": "version: 2\n"})
    second = host.push("one", {"eph.yaml": "version: 3\n"})
    host.set_check(first, "build", CheckState.FAILED)
    host.set_check(second, "build", CheckState.PENDING)
    forge.mark(shop, second, EXPIRED, "Expired after 72 h")
    fresh = host.client()
    fresh.repositories()
    fresh.prefetch([(shop, first), (shop, second), (shop, "0" * 40)], "eph.yaml")
    assert fresh.checks(shop, first) == {"build": CheckState.FAILED}
    assert fresh.checks(shop, second) == {"build": CheckState.PENDING}
    assert (fresh.decisions(shop, first), fresh.decisions(shop, second)) == ({}, {EXPIRED: "Expired after 72 h"})
    assert fresh.file(shop, "eph.yaml", first, 1000) == b"version: 2\n"
    host.set_check(second, "build", CheckState.PASSED)
    fresh.prefetch([(shop, second)], "eph.yaml", frozenset({(shop.id, second)}))
    forge.mark(shop, second, EXPIRED, "")
    assert host.client().checks(shop, second) == {"build": CheckState.PASSED}
    assert forge.decisions(shop, second) == {}


def test_who_may_write(host: Host) -> None:
    """S2, T1: an owner and a colleague may, a stranger may not."""
    forge, shop = repository(host)
    assert forge.may_write(shop, "ada")
    assert forge.may_write(shop, host.writer)
    assert not forge.may_write(shop, host.stranger)
    assert not forge.may_write(shop, "no-such-person")


def test_a_repository_keeps_its_identity_when_renamed(host: Host) -> None:
    """Y3, pitfall 11: the ID counts; a client that still knows the old name continues."""
    require_support(host, "rename")
    forge, shop = repository(host)
    host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")
    host.rename("ada/boutique")
    [renamed] = forge.repositories()
    assert (renamed.id, renamed.full_name) == (shop.id, "ada/boutique")
    assert [pull.key.number for pull in forge.pulls(shop).open] == [number]
    assert forge.pull(shop, number).state is PullState.OPEN


def test_clone_url_contains_no_secret(host: Host) -> None:
    """S4: it ends up in specs and in Pulumi's state."""
    forge, shop = repository(host)
    assert "@" not in forge.clone_url(shop)
    assert "token" not in forge.clone_url(shop)


def test_pull_request_from_a_fork_is_marked(host: Host) -> None:
    """S2, pitfall 7."""
    require_support(host, "forks")
    forge, shop = repository(host)
    number = host.open_from_fork("patch-1")
    [pull] = forge.pulls(shop).open
    assert (pull.key.number, pull.from_fork, pull.author) == (number, True, "mallory")


def test_quiet_cycle_uses_no_quota(host: Host) -> None:
    """L4: the second cycle without changes only gets 304s; our own marks are cached."""
    require_support(host, "etags")
    forge, shop = repository(host)
    sha = host.push("one", {"message.txt": "one\n"})
    number = host.open_pull("one")

    def cycle() -> tuple[int, int]:
        before = forge.usage()
        [seen] = forge.repositories()
        forge.pulls(seen)
        forge.file(seen, "eph.yaml", sha, 1000)
        forge.checks(seen, sha)
        forge.decisions(seen, sha)
        forge.refs(seen, RefKind.BRANCH, ("o*",))
        after = forge.usage()
        return after.counted - before.counted, after.free - before.free

    cycle()
    assert cycle() == (0, 5)
    host.label(number, "preview")
    assert cycle() == (1, 4)
    assert forge.pulls(shop).open[0].labels == {"preview"}


def test_commit_without_a_git_note_has_an_empty_one_unless_the_host_exposes_none(host: Host) -> None:
    """I1."""
    forge, shop = repository(host)
    sha = host.push("one", {"message.txt": "one\n"})
    if "git notes" in host.unsupported:
        with contextlib.suppress(ForgeUnsupported):
            assert forge.note(shop, sha, "refs/notes/eph") == ""
    else:
        assert forge.note(shop, sha, "refs/notes/eph") == ""


def test_git_note_is_read_from_any_folder_structure(host: Host) -> None:
    """I1: CI can record a commit's image in a git note; other refs don't matter."""
    require_support(host, "git notes")
    forge, shop = repository(host)
    sha = host.push("one", {"message.txt": "one\n"})
    assert forge.note(shop, sha, "refs/notes/eph") == ""
    host.note(sha, "api: 1.2.3\n")
    assert forge.note(shop, sha, "refs/notes/eph").strip() == "api: 1.2.3"
    assert forge.note(shop, sha, "refs/notes/other") == ""
    assert forge.note(shop, "b" * 40, "refs/notes/eph") == ""
    host.note(sha, "api: 1.2.4\n")
    assert host.client().note(shop, sha, "refs/notes/eph").strip() == "api: 1.2.4"
    assert forge.note(shop, sha, "refs/notes/eph").strip() == "api: 1.2.4", (
        "what was read before is not believed for ever"
    )


def test_note_of_a_deleted_repository_is_an_error(host: Host) -> None:
    forge, shop = repository(host)
    host.delete_repository()
    with pytest.raises(ForgeError):
        forge.note(shop, "b" * 40, "refs/notes/eph")


def test_many_notes_are_found_in_the_folders_that_git_sorts_them_into(tmp_path: Path) -> None:
    world = DemoGitHub(tmp_path / "sandbox")
    world.start()
    host = SandboxHost(world)
    shas = [host.push("one", {"message.txt": str(number)}) for number in range(3)]
    bare = next((tmp_path / "sandbox").rglob("HEAD")).parent
    _write_fanned_out_notes(bare, shas)
    forge, shop = repository(host)
    assert [forge.note(shop, sha, "refs/notes/eph") for sha in shas] == [f"note of {sha}" for sha in shas]
    assert forge.note(shop, "c" * 40, "refs/notes/eph") == ""
    host.done()


def _write_fanned_out_notes(bare: Path, shas: list[str]) -> None:
    """Like git from some hundreds of notes on: folders named after two letters."""
    stream = ["commit refs/notes/eph", "committer ci <ci@sandbox.invalid> 0 +0000", "data 0"]
    for sha in shas:
        words = f"note of {sha}"
        stream += [f"M 100644 inline {sha[:2]}/{sha[2:]}", f"data {len(words)}", words]
    subprocess.run(["git", "-C", bare, "fast-import", "--quiet"], input="\n".join(stream) + "\n", text=True, check=True)

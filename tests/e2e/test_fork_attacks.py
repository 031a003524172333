"""Attacks by pull requests from forks, each on a real Eph (S2, S3, pitfall 7).

Before the approval, nothing of any of them runs. Each is then approved, as by someone who didn't look closely, and
still can't get beyond its own preview. What was rejected is reported on its pull request or in its logs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import site as sites
from tests.e2e.site import LABEL, REPOSITORY, Git, Site, wait_until
from tests.file_trees import all_files

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]

STRANGER = "mallory"
CHECKOUT_LIMIT = 2_000_000
OPTION = "--upload-pack=touch"
NOTE = "ran.txt"
"""Every build of an attack leaves this file in its checkout: where it is missing, nothing ran."""
BUILD = f"echo yes > {NOTE}\n"
PEEK = """
for file in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $file; done > environs.txt 2>&1
cat {secrets} > secrets.txt 2>&1
ls -A {folders} > folders.txt 2>&1
"""
EVIL_YAML = (sites.SHOP / "eph.yaml").read_text().replace("exec python3 app.py", "exec python3 -m http.server $PORT")


@dataclass(frozen=True, slots=True)
class Attack:
    number: int
    branch: str
    sha: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with sites.running_site(local=f"checkout_bytes = {CHECKOUT_LIMIT}\n") as made:
        yield made


@pytest.fixture(scope="module")
def attacks(site: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Attack]:
    """All of them labelled, and none of them approved."""
    fork = site.forge.fork(REPOSITORY, STRANGER)
    made = {}
    for name, (branch, change) in _attack_changes(site, tmp_path_factory).items():
        folder = tmp_path_factory.mktemp("work")
        sha = site.commit_by_git(fork, branch, folder, partial(change, folder))
        number = site.forge.open_pull(REPOSITORY, f"{STRANGER}:{branch}", title=name, by=STRANGER)
        site.forge.label(REPOSITORY, number, LABEL)
        made[name] = Attack(number, branch, sha)
    return made


Change = Callable[[Path, Git], None]


def _attack_changes(site: Site, temporary: pytest.TempPathFactory) -> dict[str, tuple[str, Change]]:
    hit = temporary.mktemp("hit")
    peek = PEEK.format(secrets=f"{site.token} {site.eph_home}/keys/*", folders=f"{site.eph_home} {site.home}")

    def writing(**files: str) -> Change:
        def change(folder: Path, git: Git) -> None:
            for path, text in {"build.sh": BUILD, **files}.items():
                (folder / path).write_text(text)
            git("add", "--all")

        return change

    def linking(folder: Path, git: Git) -> None:
        (folder / "db" / "schema.sql").unlink()
        (folder / "db" / "schema.sql").symlink_to(site.token)
        git("add", "--all")

    def nesting(folder: Path, git: Git) -> None:
        modules = f'[submodule "x"]\npath = vendor/x\nurl = ext::sh -c "touch {hit}/submodule"\n'
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
        writing(**{".gitmodules": modules, ".lfsconfig": f"[lfs]\nurl = file://{hit}\n", "model.bin": pointer})(
            folder, git
        )
        git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},vendor/x")

    def configuring(folder: Path, git: Git) -> None:
        (folder / ".githooks").mkdir()
        hook = folder / ".githooks" / "post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {hit}/hook\n")
        hook.chmod(0o755)
        config = f"[core]\nhooksPath = .githooks\nfsmonitor = touch {hit}/monitor\n"
        filters = f'[filter "evil"]\nsmudge = touch {hit}/smudge\n'
        writing(**{".gitattributes": "* filter=evil\n", ".gitconfig": config + filters})(folder, git)

    return {
        "its own eph.yaml": ("yaml", writing(**{"eph.yaml": EVIL_YAML})),
        "a link to a secret": ("link", linking),
        "submodules and LFS": ("nested", nesting),
        "a branch like an option": (OPTION, writing()),
        "a huge repository": ("huge", writing(**{"large.bin": "x" * (CHECKOUT_LIMIT + 1)})),
        "a curious build": ("peek", writing(**{"build.sh": BUILD + peek})),
        "hooks and filters": ("hooks", configuring),
        "a push after the look": ("moved", writing()),
    }


@pytest.fixture(scope="module")
def approved(site: Site, attacks: dict[str, Attack]) -> dict[str, Attack]:
    """The last one's branch moves between the review and the approval."""
    moved = attacks["a push after the look"]
    newer = site.forge.push(f"{STRANGER}/shop", moved.branch, {"build.sh": "echo newer > newer.txt\n"})
    site.wait_for_comment(moved.number, newer[:7], "approval")
    for item in attacks.values():
        done = site.eph("approve", f"{REPOSITORY}#{item.number}", "--commit", item.sha)
        if item is not moved:
            assert done.returncode == 0, done.stderr
    return attacks


def checkout(site: Site, item: Attack) -> Path:
    """Where its files are, once it was created."""
    name = site.wait_for_host(item.number).partition(".")[0]
    [found] = (site.eph_home / "local" / "envs" / name / "src").glob(f"{item.sha[:12]}-*")
    return found


def test_unapproved_fork_runs_nothing(site: Site, attacks: dict[str, Attack]) -> None:
    for item in attacks.values():
        site.wait_for_comment(item.number, "needs approval from", item.sha[:7], "/eph approve")
    assert site.stacks() == []
    assert NOTE not in {path.name for path in all_files(site.eph_home / "local")}


@pytest.mark.exhaustive
def test_its_own_eph_yaml_is_ignored(site: Site, approved: dict[str, Attack]) -> None:
    item = approved["its own eph.yaml"]
    host = site.wait_for_host(item.number)
    wait_until(
        "the base's service answers", lambda: "" if site.page(host).data.get("commit") == item.sha else site.log_tail()
    )


def test_symlink_out_of_the_checkout_is_refused(site: Site, approved: dict[str, Attack]) -> None:
    body = site.wait_for_comment(
        approved["a link to a secret"].number, "**Failed**", "symbolic link", "outside the repository"
    )
    assert site.token.read_text() not in body


@pytest.mark.exhaustive
def test_oversized_checkout_is_refused(site: Site, approved: dict[str, Attack]) -> None:
    site.wait_for_comment(approved["a huge repository"].number, "Failed", "The server's limit is 2 MB")


def test_submodules_and_lfs_contact_nobody_and_are_reported(site: Site, approved: dict[str, Attack]) -> None:
    item = approved["submodules and LFS"]
    site.wait_for_comment(item.number, "Ready", item.sha[:7])
    folder = checkout(site, item)
    assert list((folder / "vendor" / "x").iterdir()) == []
    assert (folder / "model.bin").read_text().startswith("version https://git-lfs")
    logs = site.eph("steps", f"{REPOSITORY}#{item.number}", "--lines", "20").stdout
    assert "'vendor/x': submodules aren't fetched" in logs
    assert "'model.bin': Git LFS files aren't fetched" in logs


@pytest.mark.parametrize("name", ["a branch like an option", "hooks and filters", "submodules and LFS"])
def test_no_git_hook_or_filter_runs_on_the_server(
    site: Site, approved: dict[str, Attack], name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    item = approved[name]
    site.wait_for_comment(item.number, "Ready", item.sha[:7])
    assert (checkout(site, item) / NOTE).exists()  # it was created, by the build that everyone sees
    assert [path.name for path in tmp_path_factory.getbasetemp().glob("hit*/*")] == []


def test_build_sees_nothing_of_the_server(site: Site, approved: dict[str, Attack]) -> None:
    """S4: neither through a process's environment, nor through files or their names."""
    item = approved["a curious build"]
    site.wait_for_comment(item.number, "Ready", item.sha[:7])
    folder = checkout(site, item)
    environs = (folder / "environs.txt").read_text(errors="replace")
    assert "EPH_COMMIT=" in environs  # it could read its own
    for word in ("PULUMI", "PASSPHRASE", "XDG_CONFIG_HOME", str(site.token)):
        assert word not in environs
    kept = [path for path in (site.token, *(site.eph_home / "keys").iterdir()) if path.is_file()]
    secrets = [path.read_bytes().strip() for path in kept]
    seen = (folder / "secrets.txt").read_text(errors="replace")
    assert [secret for secret in secrets if not secret or secret in (seen + environs).encode()] == []
    assert "No such file" in seen
    assert "keys" not in (folder / "folders.txt").read_text()


def test_push_after_the_review_is_not_approved(site: Site, approved: dict[str, Attack]) -> None:
    item = approved["a push after the look"]
    site.wait_for_comment(item.number, "needs approval")
    assert "newer.txt" not in {path.name for path in all_files(site.eph_home / "local")}
    assert item.number not in site.stacks()


@pytest.mark.exhaustive
def test_approved_environment_is_removed_without_a_trace(site: Site, approved: dict[str, Attack]) -> None:
    for item in approved.values():
        site.forge.close_pull(REPOSITORY, item.number)
    wait_until("all of them are gone", lambda: json.dumps(site.stacks()) if site.stacks() else "", sites.CREATE_TIMEOUT)

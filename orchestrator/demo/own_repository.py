"""``eph demo --repo PATH``: the commits of a person's own repository, copied to the sandbox's Git host.

The folder itself is only read. The default branch becomes ``main``. The branch that is checked out, if it is another
one, becomes a pull request. Otherwise the demo opens one: it adds an eph.yaml if there is none.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli import scaffold
from orchestrator.demo import wording
from orchestrator.demo.git_hosts import DemoGitHubHost

OWNER = "acme"
FIRST_BRANCH = "try-eph"
DEFAULT_BRANCHES = ("main", "master", "trunk")


class RepositoryUnusable(Exception):
    """``--repo`` doesn't lead to commits; the message says what to do."""


@dataclass(frozen=True, slots=True)
class OwnRepository:
    """``name`` is the name at the sandbox's Git host. ``topic`` is the checked-out branch, if it isn't the default."""

    folder: Path
    name: str
    default: str
    topic: str
    has_eph_yaml: bool
    dirty: bool


def inspect(path: Path) -> OwnRepository:
    """Raises ``RepositoryUnusable``."""
    if not path.is_dir():
        raise RepositoryUnusable(wording.no_such_folder(path))
    folder = Path(_git(path, "rev-parse", "--show-toplevel") or _git(path, "rev-parse", "--absolute-git-dir"))
    if not folder.name:
        raise RepositoryUnusable(wording.not_a_repository(path))
    if not _git(folder, "rev-parse", "--verify", "--quiet", "HEAD"):
        raise RepositoryUnusable(wording.no_commits(folder))
    branch = _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    default = _default_branch(folder, branch)
    return OwnRepository(
        folder=folder,
        name=f"{OWNER}/{_repository_name(folder)}",
        default=default,
        topic=branch if branch != default else "",
        has_eph_yaml=bool(_git(folder, "ls-tree", "HEAD", "eph.yaml")),
        dirty=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")),
    )


def add_to(forge: DemoGitHubHost, own: OwnRepository) -> dict[str, int]:
    """Creates the repository with its pull request, and returns the pull request's number by its branch."""
    forge.create_repository(own.name, {})
    bare = forge.git_dir(own.name)
    _push(own, bare, f"{own.default or 'HEAD'}:refs/heads/main")
    if own.topic:
        _push(own, bare, f"refs/heads/{own.topic}:refs/heads/{own.topic}")
    branch = own.topic or FIRST_BRANCH
    if not own.has_eph_yaml:
        text = scaffold.render_eph_yaml(own.folder.name, scaffold.detect(own.folder))
        forge.push(own.name, branch, {"eph.yaml": text}, wording.ADD_EPH_YAML)
    elif not own.topic:
        forge.push(own.name, branch, {}, wording.FIRST_PREVIEW)
    return {branch: forge.open_pull(own.name, branch, own.topic or _first_title(own))}


def _first_title(own: OwnRepository) -> str:
    return wording.FIRST_PREVIEW if own.has_eph_yaml else wording.ADD_EPH_YAML


def _default_branch(folder: Path, branch: str) -> str:
    """What the clone's origin says, or else a usual name; empty for a detached HEAD without any of these."""
    origin = _git(folder, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    names = [name for name in (origin, *DEFAULT_BRANCHES) if name]
    existing = (name for name in names if _git(folder, "rev-parse", "--verify", "--quiet", f"refs/heads/{name}"))
    return next(existing, branch)


def _repository_name(folder: Path) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name.removesuffix(".git")).strip("-._")
    return name[:80] or "app"


def _push(own: OwnRepository, bare: Path, refspec: str) -> None:
    done = subprocess.run(
        ["git", "-C", str(own.folder), "push", "--quiet", "--no-verify", str(bare), refspec],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RepositoryUnusable(wording.not_copied(own.folder, done.stderr.strip()))


def _git(folder: Path, *arguments: str) -> str:
    """Its output; empty if it fails."""
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""

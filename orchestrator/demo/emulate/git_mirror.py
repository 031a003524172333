"""A bare git repository that mirrors a Git host without a git server: the same objects with the same ids.

git creates the commits here; ``MirrorCommit`` contains all that an API needs to create an identical one.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

GIT_TIMEOUT = 30.0
FILE_MODE = "100644"


@dataclass(frozen=True, slots=True)
class GitPerson:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class MirrorCommit:
    """``date`` has whole seconds, as in git. ``sha`` is empty until the commit exists."""

    tree: str
    parents: tuple[str, ...]
    message: str
    author: GitPerson
    date: datetime
    sha: str = ""


class GitMirror:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True)
        self._git("init", "--quiet", "--bare", "--initial-branch=main")

    def tree(self, parent: str, files: Mapping[str, str]) -> str:
        """Create a tree: the parent's files with these changes."""
        with self._lock:
            index = {"GIT_INDEX_FILE": str(self.folder / "index.new")}
            self._git("read-tree", parent or "--empty", extra_env=index)
            for path, text in files.items():
                blob = self._git("hash-object", "-w", "--stdin", stdin=text)
                self._git("update-index", "--add", "--cacheinfo", f"{FILE_MODE},{blob},{path}", extra_env=index)
            return self._git("write-tree", extra_env=index)

    def blobs(self, tree: str) -> dict[str, str]:
        """The id of each blob by its path."""
        listed = self._git("ls-tree", "-r", "-z", "--format=%(objectname) %(path)", tree)
        entries = [entry.partition(" ") for entry in listed.split("\0") if entry]
        return {path: blob for blob, _, path in entries}

    def head(self, branch: str) -> str:
        """The branch's commit; empty if it doesn't exist."""
        return self._git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def commit(self, commit: MirrorCommit) -> str:
        date = f"{int(commit.date.astimezone(UTC).timestamp())} +0000"
        env: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": commit.author.name, f"GIT_{role}_EMAIL": commit.author.email}
            env |= {f"GIT_{role}_DATE": date}
        parents = [word for parent in commit.parents for word in ("-p", parent)]
        return self._git("commit-tree", commit.tree, *parents, stdin=commit.message + "\n", extra_env=env)

    def set_branch(self, branch: str, sha: str) -> None:
        self._git("update-ref", f"refs/heads/{branch}", sha)

    def _git(self, *words: str, stdin: str = "", extra_env: Mapping[str, str] = {}) -> str:
        own = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(self.folder)}
        env = {"PATH": os.environ["PATH"], **own, **extra_env}
        command = ["git", "--git-dir", str(self.folder), *words]
        done = subprocess.run(
            command, input=stdin.encode(), env=env, capture_output=True, timeout=GIT_TIMEOUT, check=True
        )
        return done.stdout.decode().rstrip("\n")

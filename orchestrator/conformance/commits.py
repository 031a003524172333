"""The commits that the suite deploys, in their own repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.conformance import wording

_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Conformance"), ("EMAIL", "conformance@example.com"))
}


@dataclass(frozen=True, slots=True)
class Commit:
    """The whole repository at one commit: its files by path, eph.yaml among them. ``answers`` is a text that only this
    commit's page contains."""

    files: Mapping[str, str]
    answers: str = ""


class CommitRepository:
    """A bare repository, and a working copy to commit from."""

    def __init__(self, folder: Path) -> None:
        self.bare = folder / "origin.git"
        self._work = folder / "work"
        for path, options in ((self.bare, ["--bare"]), (self._work, [])):
            path.mkdir(parents=True)
            self._git(path, "init", "--quiet", "--initial-branch=main", *options)

    def push(self, commit: Commit) -> str:
        """Returns the new commit's SHA. Equal files give a new commit, too."""
        for path in self._work.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, text in commit.files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._git(self._work, "add", "--all")
        self._git(self._work, "commit", "--quiet", "--allow-empty", "--message", wording.COMMIT_MESSAGE)
        self._git(self._work, "push", "--quiet", "--force", str(self.bare), "HEAD:main")
        return self._git(self._work, "rev-parse", "HEAD")

    def _git(self, folder: Path, *arguments: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull, **_AUTHOR}
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

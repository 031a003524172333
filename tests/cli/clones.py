"""A clone with one commit, as a developer has it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
EPH_YAML = "version: 1\nservices:\n  - {name: web, command: ./run}\n"


@dataclass(frozen=True, slots=True)
class Clone:
    folder: Path

    def git(self, *words: str) -> str:
        settings = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]
        done = subprocess.run(
            ["git", "-C", str(self.folder), *settings, *words], env=ENV, capture_output=True, text=True, check=True
        )
        return done.stdout.removesuffix("\n")

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, files: dict[str, str]) -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-qm", "work")
        return self.git("rev-parse", "HEAD")

    def state(self) -> tuple[str, ...]:
        """Everything of the clone that packing must leave alone."""
        objects = sorted(str(path) for path in (self.folder / ".git" / "objects").rglob("*") if path.is_file())
        index = (self.folder / ".git" / "index").read_bytes().hex()
        return (self.git("for-each-ref"), self.git("rev-parse", "HEAD"), index, *objects)


def create(folder: Path) -> Clone:
    folder.mkdir()
    made = Clone(folder)
    made.git("init", "-q")
    made.git("remote", "add", "origin", "https://git.example.com/demo/shop.git")
    made.commit({"eph.yaml": EPH_YAML, "kept.txt": "kept", "gone.txt": "gone", ".gitignore": "*.log\n"})
    return made

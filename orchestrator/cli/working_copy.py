"""Packs the files of a clone, uncommitted ones included, into a git bundle with one commit and no history.

It reads the clone and writes nothing to it: index, new objects and the commit are in a temporary folder. The same files
at the same HEAD always give the same commit. What `.gitignore` or `.ephignore` excludes isn't packed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

from orchestrator.cli import recipe_overrides, secret_files, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.recipe_overrides import RecipeOverrides
from programs.kit.git.bundles import REF

IGNORE_FILE = ".ephignore"
CONFIG_FILE = "eph.yaml"
MAX_LISTED = 5
_IDENTITY = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
    ("NAME", "eph"), ("EMAIL", "eph@localhost"), ("DATE", "@0 +0000")
)}  # fmt: skip
_SCP_URL = re.compile(r"[^/:]+:(?!//)(.+)")
SUBMODULE = "160000"
REGULAR = "100"
"""How the modes of files begin, executable or not."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """``changed``: how many files differ from HEAD."""

    path: Path
    commit: str
    changed: int

    @property
    def size(self) -> int:
        return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class PackOptions:
    """``ref``: pack that branch, tag or commit of the clone instead of the working copy."""

    allow_secrets: bool = False
    ref: str = ""
    overrides: RecipeOverrides = field(default_factory=RecipeOverrides)


@contextlib.contextmanager
def packed(folder: Path, options: PackOptions) -> Iterator[Bundle]:
    """The bundle, for as long as the block lasts. Raises CliError if files look like secrets, unless allowed."""
    top = find_clone(folder)
    with tempfile.TemporaryDirectory(prefix="eph-deploy-") as made:
        clone = _Clone(top, Path(made))
        commit = clone.stage_ref(options.ref) if options.ref else clone.stage()
        if not options.allow_secrets:
            _refuse_secrets(clone, clone.unpushed_files(clone.git("write-tree"), commit))
        if options.overrides:
            clone.edit(CONFIG_FILE, lambda text: recipe_overrides.apply(text, options.overrides))
        tree = clone.git("write-tree")
        yield clone.pack(tree, len(clone.changed_files(tree, clone.head())))


def find_clone(folder: Path) -> Path:
    """The top folder of the clone."""
    if shutil.which("git") is None:
        raise CliError(wording.deploys.NO_GIT, wording.deploys.INSTALL_GIT, ExitCode.USAGE)
    try:
        return Path(_run(["git", "-C", str(folder), "rev-parse", "--show-toplevel"], dict(os.environ)))
    except CliError:
        problem = wording.deploys.no_working_copy(folder)
        raise CliError(problem, wording.deploys.RUN_IN_A_CLONE, ExitCode.USAGE) from None


def repository_name(folder: Path) -> str:
    """``owner/name`` by the remote ``origin``; empty without one."""
    try:
        url = _run(["git", "-C", str(folder), "remote", "get-url", "origin"], dict(os.environ))
    except CliError:
        return ""
    scp = _SCP_URL.fullmatch(url)
    parts = (scp.group(1) if scp else urlsplit(url).path).strip("/").removesuffix(".git").split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 else ""


class _Clone:
    """``made`` is a temporary folder: its bare repository receives all new objects, and borrows the clone's."""

    def __init__(self, top: Path, made: Path) -> None:
        self._top, self._bare = top, made / "bare.git"
        self._bundle = made / "working-copy.bundle"
        plain = dict(os.environ)
        if _run(["git", "-C", str(top), "rev-parse", "--show-object-format"], plain) != "sha1":
            raise CliError(wording.deploys.SHA256_CLONE, wording.deploys.PUSH_A_BRANCH)
        _run(["git", "init", "--quiet", "--bare", "--template=", str(self._bare)], plain)
        index = _run(["git", "-C", str(top), "rev-parse", "--git-path", "index"], plain)
        objects = _run(["git", "-C", str(top), "rev-parse", "--git-path", "objects"], plain)
        if (top / index).exists():
            shutil.copyfile(top / index, made / "index")
        alternates = [str(top / objects), os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")]
        self._env = plain | _IDENTITY | {
            "GIT_INDEX_FILE": str(made / "index"),
            "GIT_OBJECT_DIRECTORY": str(self._bare / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(filter(None, alternates)),
        }  # fmt: skip

    def git(self, *words: str, text: bytes = b"") -> str:
        return _run(self._command(*words), self._env, text)

    def _command(self, *words: str) -> list[str]:
        settings = ["-c", "core.fsmonitor=false", "-c", "core.splitIndex=false", "-c", "core.untrackedCache=false"]
        return ["git", "-C", str(self._top), *settings, *words]

    def stage(self) -> str:
        """Makes the temporary index contain the files as they are now. Returns the commit that they are based on."""
        tracked = _entries(self.git("ls-files", "--cached", "--stage", "-z"))
        submodules = {entry.partition("\t")[2] for entry in tracked if entry.startswith(SUBMODULE)}
        listed = set(_entries(self.git("ls-files", "--cached", "--others", "--exclude-standard", "-z")))
        excluded = self._excluded()
        included = sorted(path for path in listed - excluded - submodules if not path.endswith("/"))
        self._update("--add", "--replace", "--remove", "--ignore-skip-worktree-entries", paths=included)
        self._update("--force-remove", paths=sorted(excluded))
        return self.head()

    def stage_ref(self, ref: str) -> str:
        """Makes the temporary index contain that commit, and returns it. A branch is as the remote had it when it was
        fetched."""
        for name in (f"refs/remotes/origin/{ref}", ref):
            with contextlib.suppress(CliError):
                commit = self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
                self.git("read-tree", commit)
                return commit
        raise CliError(wording.deploys.no_such_ref(ref), wording.deploys.RUN_FETCH, ExitCode.USAGE)

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Changes a file in the temporary index."""
        try:
            text = self.git("cat-file", "blob", f":{path}")
        except CliError:
            raise CliError(wording.deploys.missing_file(path), wording.deploys.INIT_CREATES, ExitCode.USAGE) from None
        blob = self.git("hash-object", "-w", "--no-filters", "--stdin", text=change(f"{text}\n").encode())
        self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")

    @contextlib.contextmanager
    def reader(self) -> Iterator[Callable[[str], bytes]]:
        """Reads files of the temporary index, all with one process. Links and submodules are empty."""
        entries = (entry.partition("\t") for entry in _entries(self.git("ls-files", "--stage", "-z")))
        blobs = {path: facts.split()[1] for facts, _, path in entries if facts.startswith(REGULAR)}
        batch, pipe = self._command("cat-file", "--batch"), subprocess.PIPE
        with subprocess.Popen(batch, env=self._env, stdin=pipe, stdout=pipe) as git:
            requests, answers = cast("tuple[IO[bytes], IO[bytes]]", (git.stdin, git.stdout))

            def read(path: str) -> bytes:
                if path not in blobs:
                    return b""
                requests.write(f"{blobs[path]}\n".encode())
                requests.flush()
                size = int(answers.readline().split()[-1])
                return answers.read(size + 1)[:size]

            yield read

    def changed_files(self, tree: str, commit: str) -> list[str]:
        """The files that the commit doesn't contain in this form: all without a commit."""
        if not commit:
            return _entries(self.git("ls-tree", "-r", "-z", "--full-tree", "--name-only", tree))
        options = ("-r", "-z", "--name-only", "--no-renames", "--diff-filter=d")
        return _entries(self.git("diff-tree", *options, commit, tree))

    def unpushed_files(self, tree: str, commit: str) -> list[str]:
        """The files that none of the commit's nearest ancestors on a remote-tracking branch contains in this form."""
        found = [set(self.changed_files(tree, pushed)) for pushed in self._pushed(commit) or ("",)]
        return sorted(set.intersection(*found))

    def _pushed(self, commit: str) -> list[str]:
        """The commit itself if it was pushed. There may be several after a merge, and none without a remote."""
        if not commit:
            return []
        listed = self.git("rev-list", "--boundary", commit, "--not", "--remotes").split()
        return [line.removeprefix("-") for line in listed if line.startswith("-")] if listed else [commit]

    def pack(self, tree: str, changed: int) -> Bundle:
        head = self.head()
        commit = self.git("commit-tree", tree, "-m", wording.deploys.commit_message(head))
        bare = ["git", "--git-dir", str(self._bare)]
        _run([*bare, "update-ref", REF, commit], self._env)
        _run([*bare, "bundle", "create", "--quiet", "--version=2", str(self._bundle), REF], self._env)
        return Bundle(self._bundle, commit, changed)

    def head(self) -> str:
        """Empty before the first commit."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        except CliError:
            return ""

    def _excluded(self) -> set[str]:
        if not (self._top / IGNORE_FILE).is_file():
            return set()
        words = ("ls-files", "--cached", "--others", "--ignored", "-z", f"--exclude-from={self._top / IGNORE_FILE}")
        return set(_entries(self.git(*words)))

    def _update(self, *options: str, paths: list[str]) -> None:
        if paths:
            text = os.fsencode("\0".join(paths) + "\0")
            self.git("update-index", *options, "-z", "--stdin", text=text)


def _refuse_secrets(clone: _Clone, paths: list[str]) -> None:
    with clone.reader() as read:
        found = [path for path in paths if secret_files.looks_secret(path, partial(read, path))]
    if found:
        problem = wording.deploys.look_secret(found[:MAX_LISTED], len(found) - MAX_LISTED)
        raise CliError(problem, wording.deploys.exclude_secrets(IGNORE_FILE), ExitCode.USAGE)


def _entries(text: str) -> list[str]:
    return [entry for entry in text.split("\0") if entry]


def _run(words: list[str], env: dict[str, str], text: bytes = b"") -> str:
    done = subprocess.run(words, env=env, input=text, capture_output=True, check=False)
    if done.returncode != 0:
        last = os.fsdecode(done.stderr).strip().splitlines()[-1:] or [wording.deploys.exit_status(done.returncode)]
        verb = next((word for word in words[1:] if not word.startswith(("-", "/")) and "=" not in word), "")
        raise CliError(wording.deploys.git_failed(verb, last[0]), wording.deploys.FIX_CLONE)
    return os.fsdecode(done.stdout).removesuffix("\n")

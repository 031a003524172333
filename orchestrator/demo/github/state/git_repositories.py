"""Bare git repositories by the git command: what a commit holds, where branches are, new commits, merges.

Names that come from people never reach git as options: every ref and path is checked here first.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.demo.github import wording

GIT_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
}
BAD_REF = re.compile(r"[\x00-\x20~^:?*\[\\\x7f]|\.\.|@\{|//|^[-/]|/$|\.lock$|^@$")
SHA = re.compile(r"[0-9a-f]{40}")


class GitError(Exception):
    """Git would not do it; the message is what git said."""


@dataclass(frozen=True, slots=True)
class CommitInfo:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: str
    email: str
    date: str
    message: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One line of a folder. ``size`` is None for what is not a file."""

    mode: str
    type: str
    sha: str
    size: int | None
    path: str


def run(repo: Path, *arguments: str, data: bytes | None = None) -> bytes:
    done = subprocess.run(["git", "-C", str(repo), *arguments], input=data, capture_output=True, env=GIT_ENVIRONMENT)
    if done.returncode:
        raise GitError(done.stderr.decode(errors="replace").strip() or wording.git_failed(arguments[0]))
    return done.stdout


def text(repo: Path, *arguments: str) -> str:
    return run(repo, *arguments).decode(errors="replace").strip()


def check_ref(name: str) -> str:
    if not name or BAD_REF.search(name):
        raise GitError(wording.invalid_ref(name))
    return name


def check_path(path: str) -> str:
    parts = path.split("/")
    if not path or "\x00" in path or "\n" in path or any(part in ("", ".", "..", ".git") for part in parts):
        raise GitError(wording.invalid_path(path))
    return path


def create(repo: Path, default_branch: str) -> None:
    repo.mkdir(parents=True, exist_ok=True)
    run(repo, "init", "--quiet", "--bare", f"--initial-branch={check_ref(default_branch)}")
    run(repo, "config", "uploadpack.allowAnySHA1InWant", "true")
    run(repo, "config", "gc.auto", "0")


def refs(repo: Path) -> dict[str, str]:
    """All refs with the object they point to, read now: pushes come by plain git, and are never to be missed.

    Read from git's files: to start git for each look at a hundred repositories takes longer than all the rest. Loose
    ones first, for git packs a ref before it removes the loose one."""
    home, loose, folders = len(str(repo)) + 1, dict[str, str](), [f"{repo}/refs"]
    while folders:
        for place in os.scandir(folders.pop()):
            if place.is_dir(follow_symlinks=False):
                folders.append(place.path)
            elif SHA.fullmatch(found := _read(place.path)):
                loose[place.path[home:]] = found
    packed = (line.partition(" ") for line in _read(f"{repo}/packed-refs").splitlines())
    return {name: sha for sha, _, name in packed if SHA.fullmatch(sha)} | loose


def _read(path: str) -> str:
    """Empty when it is gone just now, as a lock is."""
    try:
        return Path(path).read_text().strip()
    except FileNotFoundError:
        return ""


def objects(repo: Path, names: Sequence[str]) -> list[tuple[str, str, bytes] | None]:
    """What each name means, all of them by one git: id, type and content; None: nothing."""
    out = run(repo, "cat-file", "--batch", data="".join(f"{name}\n" for name in names).encode())
    found: list[tuple[str, str, bytes] | None] = []
    for _ in names:
        head, _, out = out.partition(b"\n")
        sha, _, kind = head.decode(errors="replace").partition(" ")
        kind, _, size = kind.partition(" ")
        if not size.isdigit():  # "NAME missing"
            found.append(None)
            continue
        found.append((sha, kind, out[: int(size)]))
        out = out[int(size) + 1 :]
    return found


def pushed_at(repo: Path) -> str:
    """When a ref was last written, by git or by us."""
    places = [repo / "packed-refs", *(repo / "refs").rglob("*")]
    newest = max((place.stat().st_mtime for place in places if place.exists()), default=0.0)
    return datetime.fromtimestamp(int(newest), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def annotated(repo: Path) -> set[str]:
    """Tag objects that a ref has."""
    lines = text(repo, "for-each-ref", "--format=%(objecttype) %(objectname)", "refs/tags").splitlines()
    return {line.removeprefix("tag ") for line in lines if line.startswith("tag ")}


def make_tag(repo: Path, name: str, sha: str, message: str) -> str:
    """A tag object, which no ref has yet."""
    tagger = f"tagger Ada <ada@example.com> {int(time.time())} +0000"
    body = f"object {sha}\ntype commit\ntag {check_ref(name)}\n{tagger}\n\n{message}\n"
    return run(repo, "mktag", data=body.encode()).decode().strip()


def tag_target(repo: Path, sha: str) -> str | None:
    """The commit of a tag object; None for whatever is none."""
    if not SHA.fullmatch(sha):
        return None
    try:
        return resolve(repo, sha) if text(repo, "cat-file", "-t", sha) == "tag" else None
    except GitError:
        return None


def resolve(repo: Path, ref: str) -> str | None:
    """The commit of a branch, tag or (shortened) id; None when there is none."""
    try:
        return text(repo, "rev-parse", "--verify", "--quiet", f"{check_ref(ref)}^{{commit}}")
    except GitError:
        return None


def commit(repo: Path, sha: str) -> CommitInfo:
    shown = run(repo, "log", "-1", "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%B", sha).decode(errors="replace")
    sha, tree, parents, author, email, date, message = shown.split("\x00", 6)
    return CommitInfo(sha, tree, tuple(parents.split()), author, email, date, message.strip())


def entries(repo: Path, sha: str, path: str) -> list[TreeEntry]:
    out = run(repo, "ls-tree", "-l", "-z", "--full-tree", sha, *([path] if path else [])).decode(errors="replace")
    found = []
    for line in filter(None, out.split("\x00")):
        fields, _, name = line.partition("\t")
        mode, kind, blob, size = fields.split()
        found.append(TreeEntry(mode, kind, blob, None if size == "-" else int(size), name))
    return found


def blob(repo: Path, sha: str) -> bytes:
    return run(repo, "cat-file", "blob", sha)


def push(repo: Path, branch: str, files: Mapping[str, bytes | None], message: str, author: str) -> str:
    """Commits ``files`` (None: removed) on top of ``branch``, which is made when it is not there; gives the commit."""
    ref = f"refs/heads/{check_ref(branch)}"
    who = re.sub(r"[<>\n]", "", author) or "nobody"
    now = text(repo, "log", "-1", "--format=%ct", ref) if ref in refs(repo) else "0"
    stamp = max(int(time.time()), int(now) + 1)
    body = message.encode()
    head = f"commit {ref}\ncommitter {who} <{who}@sandbox.invalid> {stamp} +0000\ndata {len(body)}\n".encode()
    stream = [head, body, b"\n"]
    if ref in refs(repo):
        stream.append(f"from {ref}^0\n".encode())
    for path, content in files.items():
        stream.append(_fast_import_change(check_path(path), content))
    run(repo, "fast-import", "--quiet", data=b"".join(stream))
    return refs(repo)[ref]


def set_ref(repo: Path, name: str, sha: str | None) -> None:
    check_ref(name)
    run(repo, "update-ref", *(["-d", name] if sha is None else [name, sha]))


def note(repo: Path, ref: str, sha: str, content: str) -> None:
    """A git note on a commit, instead of the one that is there."""
    who = ["-c", "user.name=ci", "-c", "user.email=ci@sandbox.invalid"]
    run(
        repo,
        *who,
        "notes",
        f"--ref={check_ref(ref)}",
        "add",
        "--force",
        "--file=-",
        check_ref(sha),
        data=content.encode(),
    )


def fetch(repo: Path, source: Path, branch: str, target_ref: str) -> None:
    # By its whole name: a branch may begin with a dash, as pushed by others than `git branch`.
    refspec = f"+{check_ref(f'refs/heads/{branch}')}:{check_ref(target_ref)}"
    run(repo, "-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", str(source), refspec)


def mergeable(repo: Path, base: str, head: str) -> bool:
    try:
        run(repo, "merge-tree", "--write-tree", base, head)
    except GitError:
        return False
    return True


def merge(repo: Path, base_ref: str, head: str, message: str, author: str) -> str:
    base = refs(repo)[base_ref]
    tree = text(repo, "merge-tree", "--write-tree", base, head).splitlines()[0]
    who = ["-c", f"user.name={author}", "-c", f"user.email={author}@sandbox.invalid"]
    sha = text(repo, *who, "commit-tree", tree, "-p", base, "-p", head, "-m", message)
    run(repo, "update-ref", base_ref, sha, base)
    return sha


def changed_paths(repo: Path, base: str, head: str) -> list[str]:
    out = run(repo, "diff", "--name-only", "-z", f"{base}...{head}", "--").decode(errors="replace")
    return [name for name in out.split("\x00") if name]


def _fast_import_change(path: str, content: bytes | None) -> bytes:
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if content is None:
        return f"D {quoted}\n".encode()
    mode = "100755" if content.startswith(b"#!") else "100644"
    return f"M {mode} inline {quoted}\ndata {len(content)}\n".encode() + content + b"\n"

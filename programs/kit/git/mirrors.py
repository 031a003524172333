"""One bare mirror per repository, into which single commits are fetched.

git ignores the machine's and the repository's configuration: no hooks, filters, submodules, credential helpers or
prompts. A password in the clone URL is passed in git's environment, never on a command line or in an error. A mirror is
locked while it is written, so any lock file of git's found then was left by a crash. The kernel limits the size of what
is fetched, so a repository can't fill the disk.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from programs.kit import files, identifiers
from programs.kit.errors import CheckoutTooLarge, TargetError
from programs.kit.git import wording
from programs.kit.host_settings import MEGABYTE, HostSettings

FETCH_SECONDS = 600
EXTRA_BYTES = 16 * MEGABYTE
"""Allowance on top of the files: trees, and data that doesn't compress."""
HISTORY_FACTOR = 8
"""How many times larger all branches with their history may be than one commit."""
ALL_REFS = ("+refs/heads/*:refs/eph/heads/*", "+refs/pull/*/head:refs/eph/pull/*")
CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.symlinks": "true",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "safe.directory": "*",
}


@dataclass(frozen=True, slots=True)
class Remote:
    """A clone URL without its password, and the header that carries the password."""

    url: str
    header: str = ""


def parse_remote(clone_url: str) -> Remote:
    if not clone_url or clone_url.startswith("-") or "::" in clone_url.split("/")[0]:
        raise TargetError(wording.url_not_allowed(clone_url))
    parts = urlsplit(clone_url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return Remote(clone_url)
    userinfo, _, netloc = parts.netloc.rpartition("@")
    token = base64.b64encode(unquote(userinfo).encode()).decode()
    return Remote(urlunsplit(parts._replace(netloc=netloc)), f"Authorization: Basic {token}")


@dataclass(frozen=True, slots=True)
class GitLimits:
    """Limits of one git command. ``max_file_bytes`` is the maximum size of a file it writes, ``max_memory`` of its
    memory in bytes; 0 means no limit. ``stdin`` is the file that it reads."""

    header: str = ""
    timeout: float = 120
    max_file_bytes: int = 0
    config: Mapping[str, str] = field(default_factory=dict)
    max_memory: int = 0
    stdin: Path = Path(os.devnull)


DEFAULT_LIMITS = GitLimits()


_FILE_TOO_LARGE = re.compile("File too large")
# The kernel's limit makes write() fail instead of raising a signal, so that git reports the error and cleans up.
_ULIMIT_COMMAND = ("/bin/sh", "-c", 'trap \'\' XFSZ; ulimit -f "$0"; ulimit -v "$1"; shift; exec "$@"')
_UNLIMITED = "unlimited"
_BLOCK = 512


def git(arguments: list[str], limits: GitLimits = DEFAULT_LIMITS, **extra_env: str) -> bytes:
    """Runs git and returns its output. A failure raises an error with git's last lines."""
    env = {**_env(limits), **extra_env}
    try:
        with limits.stdin.open("rb") as stdin:
            result = subprocess.run(
                [*_ulimits(limits), "git", *arguments], env=env, capture_output=True, stdin=stdin,
                timeout=limits.timeout, check=False,
            )  # fmt: skip
    except FileNotFoundError:
        raise TargetError(wording.NO_GIT) from None
    except subprocess.TimeoutExpired:
        raise TargetError(wording.git_timed_out(limits.timeout)) from None
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").splitlines()
        raise TargetError(wording.git_failed(result.returncode), lines[-10:])
    return result.stdout


def _ulimits(limits: GitLimits) -> list[str]:
    if not limits.max_file_bytes and not limits.max_memory:
        return []
    blocks = str(-(-limits.max_file_bytes // _BLOCK)) if limits.max_file_bytes else _UNLIMITED
    return [*_ULIMIT_COMMAND, blocks, str(limits.max_memory // 1024) if limits.max_memory else _UNLIMITED]


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    """Starts git for a caller that reads its output while it runs."""
    return subprocess.Popen(
        ["git", *arguments],
        env=_env(DEFAULT_LIMITS),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _env(limits: GitLimits) -> dict[str, str]:
    config = {**CONFIG, **limits.config, **({"http.extraHeader": limits.header} if limits.header else {})}
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_CONFIG_COUNT": str(len(config)),
    }
    for index, (key, value) in enumerate(config.items()):
        env |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return env | {key: value for key, value in os.environ.items() if key in ("SSH_AUTH_SOCK", "SSL_CERT_FILE")}


def fetch(settings: HostSettings, clone_url: str, commit: str) -> Path:
    """Returns the repository's mirror after making sure that it contains the commit. An upload is one already."""
    source = parse_remote(clone_url)
    identifiers.check_commit(commit)
    if source.url.startswith("/") and has_commit(Path(source.url), commit):
        return Path(source.url)
    mirror = settings.root / "mirrors" / f"{hashlib.sha256(source.url.encode()).hexdigest()[:16]}.git"
    if has_commit(mirror, commit):
        return mirror
    with files.locked(mirror.with_suffix(".lock")):
        if not has_commit(mirror, commit):
            _prepare(mirror)
            _fetch_commit(mirror, source, commit, settings.checkout_bytes + EXTRA_BYTES)
    return mirror


def has_commit(mirror: Path, commit: str) -> bool:
    """Whether the commit was fetched completely: its ref is written after its objects."""
    if not mirror.exists():
        return False
    try:
        git(["-C", str(mirror), "rev-parse", "--verify", "--quiet", f"refs/eph/commits/{commit}^{{commit}}"])
    except TargetError:
        return False
    return True


def _prepare(mirror: Path) -> None:
    if not mirror.exists():
        fresh = mirror.with_name(f".{uuid.uuid4().hex}")
        git(["init", "--quiet", "--bare", "--template=", str(fresh)])
        fresh.replace(mirror)
    for stale in [*mirror.glob("*.lock"), *(mirror / "refs").rglob("*.lock")]:
        stale.unlink(missing_ok=True)


def _fetch_commit(mirror: Path, source: Remote, commit: str, max_file_bytes: int) -> None:
    own = f"refs/eph/commits/{commit}"
    try:
        _fetch(mirror, source, ["--depth=1", source.url, f"+{commit}:{own}"], max_file_bytes)
        return
    except CheckoutTooLarge:
        raise
    except TargetError:
        # Some hosts serve a commit only if a ref points at it: fetch the refs, then look again.
        pass
    try:
        _fetch(mirror, source, ["--update-shallow", source.url, *ALL_REFS], max_file_bytes * HISTORY_FACTOR)
    except CheckoutTooLarge:
        raise
    except TargetError as error:
        raise TargetError(wording.not_fetched(source.url, error.sentence), error.tail) from None
    try:
        git(["-C", str(mirror), "update-ref", own, commit])
    except TargetError:
        raise TargetError(wording.commit_not_found(commit, source.url)) from None


def _fetch(mirror: Path, source: Remote, arguments: list[str], max_file_bytes: int) -> None:
    """Fetches a single pack whose file can't exceed the size limit."""
    options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
    one_pack = {"fetch.unpackLimit": "1"}
    try:
        git(
            ["-C", str(mirror), "fetch", *options, *arguments],
            GitLimits(source.header, FETCH_SECONDS, max_file_bytes, one_pack),
        )
    except TargetError as error:
        if not any(map(_FILE_TOO_LARGE.search, error.tail)):
            raise
        for half in (mirror / "objects" / "pack").glob("tmp_*"):
            half.unlink(missing_ok=True)
        raise CheckoutTooLarge(wording.repository_too_large(source.url, max_file_bytes / MEGABYTE)) from None

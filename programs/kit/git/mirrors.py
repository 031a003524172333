"""One bare mirror for each repository, into which single commits are fetched.

git is given nothing of the machine's or the repository's configuration: no hooks, filters, submodules, credentials
helpers or prompts. A password in the clone URL travels in git's environment, not on a command line, and never into
an error. A mirror's lock is held while it is written, so lock files of git's own found then were left by a crash.

What is fetched has a limit of its own, kept by the kernel: a repository that says nothing of its size fills no disk.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from programs.kit import files, identifiers
from programs.kit.errors import TargetError
from programs.kit.sandbox_settings import MEGABYTE, CommandHost

FETCH_SECONDS = 600
EXTRA_BYTES = 16 * MEGABYTE
"""What a fetch may bring beyond the files themselves: trees, and what does not compress."""
HISTORY_FACTOR = 8
"""How much more all branches with their history may hold than one commit."""
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
    """A clone URL without its password, and the header that stands for it."""

    url: str
    header: str = ""


def parse_remote(clone_url: str) -> Remote:
    if not clone_url or clone_url.startswith("-") or "::" in clone_url.split("/")[0]:
        raise TargetError(f"clone URL {clone_url!r} is not one that git may be given")
    parts = urlsplit(clone_url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return Remote(clone_url)
    userinfo, _, netloc = parts.netloc.rpartition("@")
    token = base64.b64encode(unquote(userinfo).encode()).decode()
    return Remote(urlunsplit(parts._replace(netloc=netloc)), f"Authorization: Basic {token}")


@dataclass(frozen=True, slots=True)
class GitLimits:
    """Of one call of git. ``max_file_bytes``: bytes that any file it writes may have, 0 for no limit."""

    header: str = ""
    timeout: float = 120
    max_file_bytes: int = 0
    config: Mapping[str, str] = field(default_factory=dict)


DEFAULT_LIMITS = GitLimits()


class RepositoryTooLarge(TargetError):
    """It was ended because it brought more than it may."""


_FILE_TOO_LARGE = "File too large"
# The kernel's limit as an error of write() instead of a signal, so that git says what happened and tidies up.
_ULIMIT_COMMAND = ("/bin/sh", "-c", 'trap \'\' XFSZ; ulimit -f "$0"; exec "$@"')
_BLOCK = 512


def git(arguments: list[str], limits: GitLimits = DEFAULT_LIMITS, **extra_env: str) -> bytes:
    """git's output; a failure is an error with git's own last lines."""
    env = {**_env(limits), **extra_env}
    limited = [*_ULIMIT_COMMAND, str(-(-limits.max_file_bytes // _BLOCK))] if limits.max_file_bytes else []
    try:
        result = subprocess.run(
            [*limited, "git", *arguments], env=env, capture_output=True, stdin=subprocess.DEVNULL,
            timeout=limits.timeout, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise TargetError("git is not on PATH; install git") from None
    except subprocess.TimeoutExpired:
        raise TargetError(f"git took longer than {limits.timeout:.0f} s") from None
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").splitlines()
        raise TargetError(f"git failed with exit status {result.returncode}", lines[-10:])
    return result.stdout


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


def fetch(settings: CommandHost, clone_url: str, commit: str) -> Path:
    """The mirror of the repository, with the commit in it."""
    source = parse_remote(clone_url)
    identifiers.check_commit(commit)
    mirror = settings.root / "mirrors" / f"{hashlib.sha256(source.url.encode()).hexdigest()[:16]}.git"
    if has_commit(mirror, commit):
        return mirror
    with files.locked(mirror.with_suffix(".lock")):
        if not has_commit(mirror, commit):
            _prepare(mirror)
            _fetch_commit(mirror, source, commit, settings.checkout_bytes + EXTRA_BYTES)
    return mirror


def has_commit(mirror: Path, commit: str) -> bool:
    """Whether the commit was fetched whole: its own ref is written after its objects."""
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
    except RepositoryTooLarge:
        raise
    except TargetError:
        # Some hosts give single commits only when a ref points at them: fetch the refs, then look again.
        pass
    try:
        _fetch(mirror, source, ["--update-shallow", source.url, *ALL_REFS], max_file_bytes * HISTORY_FACTOR)
    except RepositoryTooLarge:
        raise
    except TargetError as error:
        raise TargetError(f"the repository {source.url} could not be fetched: {error.sentence}", error.tail) from None
    try:
        git(["-C", str(mirror), "update-ref", own, commit])
    except TargetError:
        raise TargetError(
            f"commit {commit} is not in {source.url}, on no branch and no pull request; "
            "it may have been pushed over: push again"
        ) from None


def _fetch(mirror: Path, source: Remote, arguments: list[str], max_file_bytes: int) -> None:
    """As one pack, whose file may grow so far and no further."""
    options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
    one_pack = {"fetch.unpackLimit": "1"}
    try:
        git(
            ["-C", str(mirror), "fetch", *options, *arguments],
            GitLimits(source.header, FETCH_SECONDS, max_file_bytes, one_pack),
        )
    except TargetError as error:
        if not any(_FILE_TOO_LARGE in line for line in error.tail):
            raise
        for half in (mirror / "objects" / "pack").glob("tmp_*"):
            half.unlink(missing_ok=True)
        raise RepositoryTooLarge(
            f"{source.url} sends more than {max_file_bytes / MEGABYTE:.0f} MB, "
            "the server's limit for a checkout (setting local.checkout_bytes)"
        ) from None

"""One bare mirror for each repository, into which single commits are fetched.

git is given nothing of the machine's or the repository's configuration: no hooks, filters, submodules, credentials
helpers or prompts. A password in the clone URL travels in git's environment, not on a command line, and never into
an error. A mirror's lock is held while it is written, so lock files of git's own found then were left by a crash.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from programs.local import files, identifiers
from programs.local.errors import LocalError
from programs.local.settings import Settings

FETCH_SECONDS = 600
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


def remote(clone_url: str) -> Remote:
    if not clone_url or clone_url.startswith("-") or "::" in clone_url.split("/")[0]:
        raise LocalError(f"clone URL {clone_url!r} is not one that git may be given")
    parts = urlsplit(clone_url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return Remote(clone_url)
    userinfo, _, netloc = parts.netloc.rpartition("@")
    token = base64.b64encode(unquote(userinfo).encode()).decode()
    return Remote(urlunsplit(parts._replace(netloc=netloc)), f"Authorization: Basic {token}")


def git(arguments: list[str], header: str = "", seconds: float = 120, **extra: str) -> bytes:
    """git's output; a failure is an error with git's own last lines."""
    env = {**_env(header), **extra}
    try:
        result = subprocess.run(
            ["git", *arguments], env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except FileNotFoundError:
        raise LocalError("git is not on PATH; install git") from None
    except subprocess.TimeoutExpired:
        raise LocalError(f"git took longer than {seconds:.0f} s") from None
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").splitlines()
        raise LocalError(f"git failed with exit status {result.returncode}", lines[-10:])
    return result.stdout


def _env(header: str) -> dict[str, str]:
    config = {**CONFIG, **({"http.extraHeader": header} if header else {})}
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


def fetch(settings: Settings, clone_url: str, commit: str) -> Path:
    """The mirror of the repository, with the commit in it."""
    source = remote(clone_url)
    identifiers.commit(commit)
    mirror = settings.root / "mirrors" / f"{hashlib.sha256(source.url.encode()).hexdigest()[:16]}.git"
    if has(mirror, commit):
        return mirror
    with files.locked(mirror.with_suffix(".lock")):
        if not has(mirror, commit):
            _prepare(mirror)
            _bring(mirror, source, commit)
    return mirror


def has(mirror: Path, commit: str) -> bool:
    """Whether the commit was fetched whole: its own ref is written after its objects."""
    if not mirror.exists():
        return False
    try:
        git(["-C", str(mirror), "rev-parse", "--verify", "--quiet", f"refs/eph/commits/{commit}^{{commit}}"])
    except LocalError:
        return False
    return True


def _prepare(mirror: Path) -> None:
    if not mirror.exists():
        fresh = mirror.with_name(f".{uuid.uuid4().hex}")
        git(["init", "--quiet", "--bare", "--template=", str(fresh)])
        fresh.replace(mirror)
    for stale in [*mirror.glob("*.lock"), *(mirror / "refs").rglob("*.lock")]:
        stale.unlink(missing_ok=True)


def _bring(mirror: Path, source: Remote, commit: str) -> None:
    own = f"refs/eph/commits/{commit}"
    fetching = ["-C", str(mirror), "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
    try:
        git([*fetching, "--depth=1", source.url, f"+{commit}:{own}"], source.header, FETCH_SECONDS)
        return
    except LocalError:
        # Some hosts give single commits only when a ref points at them: fetch the refs, then look again.
        pass
    try:
        git([*fetching, "--update-shallow", source.url, *ALL_REFS], source.header, FETCH_SECONDS)
    except LocalError as error:
        raise LocalError(f"the repository {source.url} could not be fetched: {error.sentence}", error.tail) from None
    try:
        git(["-C", str(mirror), "update-ref", own, commit])
    except LocalError:
        raise LocalError(
            f"commit {commit} is not in {source.url}, on no branch and no pull request; "
            "it may have been pushed over: push again"
        ) from None

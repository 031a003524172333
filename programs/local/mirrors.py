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

from programs.local import files, identifiers
from programs.local.errors import LocalError
from programs.local.settings import MEGABYTE, Settings

FETCH_SECONDS = 600
REST_BYTES = 16 * MEGABYTE
"""What a fetch may bring beyond the files themselves: trees, and what does not compress."""
HISTORY_TIMES = 8
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


def remote(clone_url: str) -> Remote:
    if not clone_url or clone_url.startswith("-") or "::" in clone_url.split("/")[0]:
        raise LocalError(f"clone URL {clone_url!r} is not one that git may be given")
    parts = urlsplit(clone_url)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return Remote(clone_url)
    userinfo, _, netloc = parts.netloc.rpartition("@")
    token = base64.b64encode(unquote(userinfo).encode()).decode()
    return Remote(urlunsplit(parts._replace(netloc=netloc)), f"Authorization: Basic {token}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one call of git. ``most``: bytes that any file it writes may have, 0 for no limit."""

    header: str = ""
    seconds: float = 120
    most: int = 0
    config: Mapping[str, str] = field(default_factory=dict)


PLAIN = Bounds()


class TooLarge(LocalError):
    """It was ended because it brought more than it may."""


_FULL = "File too large"
# The kernel's limit as an error of write() instead of a signal, so that git says what happened and tidies up.
_LIMITED = ("/bin/sh", "-c", 'trap \'\' XFSZ; ulimit -f "$0"; exec "$@"')
_BLOCK = 512


def git(arguments: list[str], bounds: Bounds = PLAIN, **extra: str) -> bytes:
    """git's output; a failure is an error with git's own last lines."""
    env = {**_env(bounds), **extra}
    limited = [*_LIMITED, str(-(-bounds.most // _BLOCK))] if bounds.most else []
    try:
        result = subprocess.run(
            [*limited, "git", *arguments], env=env, capture_output=True, stdin=subprocess.DEVNULL,
            timeout=bounds.seconds, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise LocalError("git is not on PATH; install git") from None
    except subprocess.TimeoutExpired:
        raise LocalError(f"git took longer than {bounds.seconds:.0f} s") from None
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").splitlines()
        raise LocalError(f"git failed with exit status {result.returncode}", lines[-10:])
    return result.stdout


def _env(bounds: Bounds) -> dict[str, str]:
    config = {**CONFIG, **bounds.config, **({"http.extraHeader": bounds.header} if bounds.header else {})}
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
            _bring(mirror, source, commit, settings.checkout_bytes + REST_BYTES)
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


def _bring(mirror: Path, source: Remote, commit: str, most: int) -> None:
    own = f"refs/eph/commits/{commit}"
    try:
        _fetch(mirror, source, ["--depth=1", source.url, f"+{commit}:{own}"], most)
        return
    except TooLarge:
        raise
    except LocalError:
        # Some hosts give single commits only when a ref points at them: fetch the refs, then look again.
        pass
    try:
        _fetch(mirror, source, ["--update-shallow", source.url, *ALL_REFS], most * HISTORY_TIMES)
    except TooLarge:
        raise
    except LocalError as error:
        raise LocalError(f"the repository {source.url} could not be fetched: {error.sentence}", error.tail) from None
    try:
        git(["-C", str(mirror), "update-ref", own, commit])
    except LocalError:
        raise LocalError(
            f"commit {commit} is not in {source.url}, on no branch and no pull request; "
            "it may have been pushed over: push again"
        ) from None


def _fetch(mirror: Path, source: Remote, what: list[str], most: int) -> None:
    """As one pack, whose file may grow so far and no further."""
    options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
    one_pack = {"fetch.unpackLimit": "1"}
    try:
        git(["-C", str(mirror), "fetch", *options, *what], Bounds(source.header, FETCH_SECONDS, most, one_pack))
    except LocalError as error:
        if not any(_FULL in line for line in error.tail):
            raise
        for half in (mirror / "objects" / "pack").glob("tmp_*"):
            half.unlink(missing_ok=True)
        raise TooLarge(
            f"what {source.url} sends takes more than {most / MEGABYTE:.0f} MB, which is what the server's limit for a "
            "checkout allows (setting local.checkout_bytes)"
        ) from None

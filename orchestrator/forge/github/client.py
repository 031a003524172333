"""GitHub as the port wants it.

A repository is its numeric id. Each answer is checked to be that very repository's: when a name was given to another
one, or our access was taken away, nothing is read out of it, least of all that pull requests are gone.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from orchestrator.core.model import CheckState, Key, PullRequest
from orchestrator.forge.github import readings
from orchestrator.forge.github.comments import Comments
from orchestrator.forge.github.conversations import Conversations
from orchestrator.forge.github.deployments import Deployments
from orchestrator.forge.github.marks import Marks
from orchestrator.forge.github.refs import RefReader
from orchestrator.forge.github.transport import PER_PAGE, Transport
from orchestrator.forge.port import (
    Changes,
    CheckReport,
    Cost,
    DeploymentReport,
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    NotThere,
    Pulls,
    Reaction,
    Remark,
    Refs,
    Repository,
)
from stacks.model import RefKind

FULL_NAME = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
SHA = re.compile(r"[0-9a-f]{40}")
PERMISSION_SECONDS = 300.0
MISSING_SECONDS = 60.0
FILE_PAGES = 10
FILES_KEPT = 512
FILE_KEPT_MOST = 65_536
AT_ONCE = 8
GITHUB = "https://api.github.com"


class GitHubForge:
    """``base_url``: ``GITHUB``, or ``https://host/api/v3`` of an Enterprise server. ``repositories``: ``owner/name``
    each. ``now``: seconds since the epoch. ``login``: who we are, where the token cannot ask (``my-app[bot]``)."""

    def __init__(
        self,
        base_url: str,
        token: str,
        repositories: Sequence[str],
        timeout: int = 10,
        now: Callable[[], float] = time.time,
        login: str = "",
    ) -> None:
        wrong = [name for name in repositories if not FULL_NAME.fullmatch(name)]
        if wrong:
            raise ValueError(f"repositories are given as owner/name, not {', '.join(map(repr, wrong))}")
        self._configured, self._token, self._base, self._now = tuple(repositories), token, base_url, now
        self._transport = Transport(base_url, token, timeout, now)
        self._lock = threading.Lock()
        self._known: dict[str, Repository] = {}
        self._names: dict[int, str] = {}
        self._problems: dict[str, str] = {}
        self._writers: dict[tuple[int, str], tuple[float, bool]] = {}
        self._files: OrderedDict[tuple[int, str, str], tuple[float, bytes | None]] = OrderedDict()
        self._login = login
        self._comments = Comments(self._transport, self._viewer)
        self._refs = RefReader(self._transport)
        self._marks = Marks(self._transport, self._viewer)
        self._deployments = Deployments(self._transport)
        self._conversations = Conversations(self._transport, self._viewer)

    def close(self) -> None:
        self._transport.close()

    def cost(self) -> Cost:
        return self._transport.cost()

    def problems(self) -> Mapping[str, str]:
        with self._lock:
            return dict(self._problems)

    def repositories(self) -> list[Repository]:
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            errors = list(pool.map(self._look_up, self._configured))
        failed = [error for error in errors if error is not None]
        with self._lock:
            found = {self._known[name].id: self._known[name] for name in self._configured if name in self._known}
            self._names.update({repository.id: repository.full_name for repository in found.values()})
        if failed and not found:
            raise failed[0]
        return list(found.values())

    def pulls(self, repository: Repository) -> Pulls:
        listing = self._transport.listing(f"{self._path(repository)}/pulls?state=open", readings.pulls)
        if any(pull.key.repository != repository.id for pull in listing.items):
            raise _another(repository)
        if not listing.items:
            self._present(repository)
        found = {pull.key.number: pull for pull in listing.items}.values()
        return Pulls(repository, tuple(found), listing.error is None, str(listing.error or ""))

    def pull(self, repository: Repository, number: int) -> PullRequest:
        try:
            found = self._transport.get(f"{self._path(repository)}/pulls/{number}", readings.pull)
        except NotThere:
            self._present(repository)
            return readings.gone(Key(repository.id, number))
        if found.key != Key(repository.id, number):
            raise _another(repository)
        return found

    def refs(self, repository: Repository, kind: RefKind, patterns: tuple[str, ...]) -> Refs:
        return self._refs.matching(self._path(repository), kind, patterns, lambda: self._present(repository))

    def changed_files(self, repository: Repository, number: int) -> Changes:
        """Asked once for each commit, so not remembered here."""
        found: set[str] = set()
        for page in range(1, FILE_PAGES + 1):
            url = f"{self._path(repository)}/pulls/{number}/files?per_page={PER_PAGE}&page={page}"
            files = self._transport.get_once(url, readings.changed)
            found.update(path for paths in files for path in paths)
            if len(files) < PER_PAGE:
                return Changes(frozenset(found))
        return Changes(frozenset(found), complete=False)

    def file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes:
        key = (repository.id, path, ref)
        with self._lock:
            until, held = self._files.get(key, (0.0, None))
        if until <= self._now():
            held = self._fetch_file(repository, path, ref, limit)
            self._keep_file(key, held)
        if held is None:
            raise NotThere(f"{repository.full_name} has no {path} at {ref}")
        if len(held) > limit:
            raise _too_large(path, len(held), limit)
        return held

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        path, present = self._path(repository), lambda: self._present(repository)
        runs = [(run.name, run.state) for run in self._marks.runs(path, sha, present)]
        statuses = [(item.context, item.state) for item in readings.newest(self._marks.statuses(path, sha, present))]
        return readings.worst(pair for pair in [*runs, *statuses] if not readings.is_ours(pair[0]))

    def decisions(self, repository: Repository, sha: str) -> Mapping[str, str]:
        return self._marks.decisions(self._path(repository), sha, lambda: self._present(repository))

    def mark(self, repository: Repository, sha: str, mark: str, description: str) -> None:
        self._marks.mark(self._path(repository), sha, (mark, description), lambda: self._present(repository))

    def may_write(self, repository: Repository, user: str) -> bool:
        key = (repository.id, user)
        with self._lock:
            until, allowed = self._writers.get(key, (0.0, False))
        if until > self._now():
            return allowed
        url = f"{self._path(repository)}/collaborators/{quote(user, safe='')}/permission"
        try:
            allowed = self._transport.get(url, readings.permission)
        except NotThere:
            self._present(repository)
            allowed = False
        with self._lock:
            self._writers[key] = (self._now() + PERMISSION_SECONDS, allowed)
        return allowed

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        self._comments.upsert((self._path(repository), number, marker), body)

    def comments_since(self, repository: Repository, since: datetime, word: str) -> list[Remark]:
        return self._conversations.since(self._path(repository), since, word, lambda: self._present(repository))

    def react(self, repository: Repository, comment: int, reaction: Reaction) -> None:
        self._conversations.react(self._path(repository), comment, reaction, lambda: self._present(repository))

    def add_label(self, repository: Repository, number: int, label: str) -> None:
        self._transport.send("POST", f"{self._path(repository)}/issues/{number}/labels", {"labels": [label]})

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        self._marks.report(self._path(repository), sha, name, report, lambda: self._present(repository))

    def report_deployment(self, repository: Repository, sha: str, environment: str, report: DeploymentReport) -> None:
        self._deployments.report((self._path(repository), environment), sha, report, lambda: self._present(repository))

    def retire_deployment(self, repository: Repository, environment: str) -> str:
        return self._deployments.retire((self._path(repository), environment), lambda: self._present(repository))

    def remove_label(self, repository: Repository, number: int, label: str) -> None:
        path = f"{self._path(repository)}/issues/{number}/labels/{quote(label, safe='')}"
        try:
            self._transport.send("DELETE", path)
        except NotThere:
            self._present(repository)

    def clone_url(self, repository: Repository) -> str:
        return repository.clone_url

    def git_environment(self, repository: Repository) -> Mapping[str, str]:
        """A header for the host of the API alone: the token is not shown to whatever a clone URL may name."""
        url = urlsplit(repository.clone_url)
        api = urlsplit(self._base)
        if url.scheme not in ("http", "https") or url.hostname not in (api.hostname, (api.hostname or "")[4:]):
            return {}
        secret = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
        name = f"http.{url.scheme}://{url.netloc}/.extraHeader"
        value = f"Authorization: Basic {secret}"
        return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": name, "GIT_CONFIG_VALUE_0": value}

    def _look_up(self, name: str) -> ForgeError | None:
        try:
            found = self._transport.get(f"/repos/{name}", readings.repository)
        except ForgeError as problem:
            text = f"{name} cannot be seen: it is not there, or the token may not see it"
            error = ForgeRefused(text) if isinstance(problem, NotThere) else problem
            with self._lock:
                self._problems[name] = str(error)
            return error
        with self._lock:
            self._known[name] = found
            self._problems.pop(name, None)
        return None

    def _path(self, repository: Repository) -> str:
        """By its newest name: a redirect would do too, but loses the query."""
        with self._lock:
            return f"/repos/{self._names.get(repository.id, repository.full_name)}"

    def _present(self, repository: Repository) -> None:
        """Raises unless the repository itself answers, with the same id."""
        try:
            found = self._transport.get(self._path(repository), readings.repository)
        except NotThere:
            raise ForgeRefused(
                f"{repository.full_name} cannot be seen any more: it was deleted, or our access was taken away"
            ) from None
        if found.id != repository.id:
            raise _another(repository)

    def _viewer(self) -> str:
        if not self._login:
            self._login = self._transport.get("/user", readings.login)
        return self._login

    def _fetch_file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes | None:
        where = f"{self._path(repository)}/contents/{quote(path)}?ref={quote(ref, safe='')}"
        try:
            data = self._transport.get_once(where, readings.content)
        except NotThere:
            self._present(repository)
            return None
        return _content(data, path, limit)

    def _keep_file(self, key: tuple[int, str, str], content: bytes | None) -> None:
        """A commit's files never change; a branch's do. One that is missing may only be late in arriving."""
        if not SHA.fullmatch(key[2]) or len(content or b"") > FILE_KEPT_MOST:
            return
        until = math.inf if content is not None else self._now() + MISSING_SECONDS
        with self._lock:
            self._files[key] = (until, content)
            while len(self._files) > FILES_KEPT:
                self._files.popitem(last=False)


def _content(data: Mapping[str, Any], path: str, limit: int) -> bytes:
    if data.get("type") != "file":
        raise ForgeRefused(f"{path} is a {data.get('type')}, not a file")
    size = int(data.get("size") or 0)
    if size > limit or data.get("encoding") == "none":
        raise _too_large(path, size, limit)
    try:
        content = base64.b64decode(str(data.get("content") or ""))
    except binascii.Error as problem:
        raise ForgeUnavailable(f"{path}: GitHub's answer is not Base64 ({problem}); trying again") from problem
    if len(content) != size:
        raise ForgeUnavailable(f"{path}: GitHub told {size} bytes and gave {len(content)}; trying again")
    return content


def _too_large(path: str, size: int, limit: int) -> ForgeRefused:
    return ForgeRefused(f"{path} has {size} bytes; at most {limit} are read")


def _another(repository: Repository) -> ForgeRefused:
    return ForgeRefused(
        f"the name {repository.full_name} leads to another repository now; set the new name in Eph's configuration"
    )

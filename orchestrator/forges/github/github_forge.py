"""GitHub behind the port.

A repository is identified by its numeric ID. Each response is checked to belong to that exact repository: if its name
was given to another one, or our access was revoked, no conclusion is drawn, least of all that pull requests are gone.
"""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote, urlsplit

from orchestrator.core.model.world import CheckState
from orchestrator.forges.github import parsers, wording
from orchestrator.forges.github.commits.commit_cache import CommitCache
from orchestrator.forges.github.commits.commit_marks import CommitMarks
from orchestrator.forges.github.commits.file_reader import FileReader
from orchestrator.forges.github.commits.git_notes import GitNotes
from orchestrator.forges.github.commits.git_refs import RefReader
from orchestrator.forges.github.commits.graphql import CommitRef
from orchestrator.forges.github.http.app_auth import GitHubApp
from orchestrator.forges.github.http.connections import (
    AppConnections,
    ConnectionProvider,
    ConnectionRouter,
    TokenConnections,
)
from orchestrator.forges.github.http.disk_cache import DiskCache
from orchestrator.forges.github.http.rate_limiter import MonotonicClock
from orchestrator.forges.github.http.transport import PER_PAGE, TransportConfig
from orchestrator.forges.github.reporting.chat_comments import ChatComments
from orchestrator.forges.github.reporting.deployments import Deployments
from orchestrator.forges.github.reporting.sticky_comments import StickyComments
from orchestrator.forges.github.repositories import selection
from orchestrator.forges.github.repositories.poll_schedule import PollSchedule
from orchestrator.forges.github.repositories.repository_finder import RepositoryFinder
from orchestrator.forges.github.webhooks import webhook_status
from orchestrator.forges.port import (
    ApiUsage,
    ChangedFiles,
    ChatComment,
    CheckReport,
    DeploymentReport,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    PostedComment,
    PullList,
    Reaction,
    RefList,
    Repository,
)
from orchestrator.forges.pull_requests import PullRequest
from orchestrator.forges.webhooks import WebhookStatus
from orchestrator.forges.wording import ForgeWords
from stacks import keys
from stacks.model import RefKind

PERMISSION_SECONDS = 300.0
NOT_FOUND_SECONDS = 20.0
MAX_FILE_PAGES = 10


@dataclass(frozen=True, slots=True)
class AppKey:
    """A GitHub App's ID and its private key in PEM format."""

    app_id: str
    private_key: str


@dataclass(frozen=True, slots=True)
class GitHubOptions:
    """``login``: our account, if the token can't query it. ``poll_seconds``: seconds between two cycles. ``clone_url``:
    where to fetch commits from instead, with ``{full_name}``. ``discovery_seconds``: between two looks for new
    repositories."""

    organisations: tuple[str, ...] = ()
    login: str = ""
    poll_seconds: float = 30.0
    clone_url: str = ""
    discovery_seconds: float = 300.0
    cache: DiskCache | None = None


class GitHubForge:
    """``base_url``: ``https://api.github.com``, or ``https://host/api/v3`` of an Enterprise server. ``credentials``: a
    token or an App's key. ``repositories``: each ``owner/name`` or ``owner/pattern``. ``now``: seconds since 1970."""

    words = ForgeWords(host="GitHub", check="check run")

    def __init__(
        self,
        base_url: str,
        credentials: str | AppKey,
        repositories: Sequence[str],
        timeout: int = 10,
        now: Callable[[], float] = time.time,
        options: GitHubOptions = GitHubOptions(),
    ) -> None:
        chosen = selection.parse(repositories, options.organisations)
        config = TransportConfig(base_url.rstrip("/"), timeout, now, cache=options.cache or DiskCache(None))
        self._base_url, self._now, self._clone_url, self._cache = (
            config.base_url,
            MonotonicClock(now),
            options.clone_url,
            config.cache,
        )
        self._connections: ConnectionProvider = (
            AppConnections(GitHubApp(config, credentials.app_id, credentials.private_key), chosen, now)
            if isinstance(credentials, AppKey)
            else TokenConnections(config, credentials, options.login)
        )
        self._router = ConnectionRouter(self._connections, config.base_url)
        self._finder = RepositoryFinder(chosen, self._connections, now, options.discovery_seconds)
        self._schedule = PollSchedule(options.poll_seconds)
        self._lock = threading.Lock()
        self._names: dict[int, str] = {}
        self._deferred: set[int] = set()
        self._last_pulls: dict[int, PullList] = {}
        self._schedule_notes: dict[str, str] = {}
        self._writers: dict[tuple[int, str], tuple[float, bool]] = {}
        self._permission_locks = [threading.Lock() for _ in range(64)]
        self._sticky_comments = StickyComments(self._router, self._login)
        self._refs = RefReader(self._router)
        self._git_notes = GitNotes(self._router)
        self._marks = CommitMarks(self._router, self._login)
        self._files = FileReader(self._router, config)
        self._commits = CommitCache(self._router, self._marks, self._files, self._login, config)
        self._router.on_write = self._commits.invalidate
        self._deployments = Deployments(self._router, self._now)
        self._chat_comments = ChatComments(self._router, self._login, self._now)

    def close(self) -> None:
        self._connections.close()
        self._cache.close()

    def webhook_status(self) -> WebhookStatus:
        return webhook_status.read(self._connections, self._router, self._finder.known())

    def usage(self) -> ApiUsage:
        return self._router.usage()

    def problems(self) -> Mapping[str, str]:
        with self._lock:
            return {**self._finder.problems(), **self._schedule_notes}

    def repositories(self) -> list[Repository]:
        found = [self._with_clone_url(item) for item in self._finder.find()]
        with self._lock:
            self._names.update({repository.id: repository.full_name for repository in found})
        self._defer(found)
        return found

    def _defer(self, repositories: Sequence[Repository]) -> None:
        """Postpones some repositories to a later cycle if the remaining quota of a connection isn't enough for all."""
        by_line: dict[str, list[Repository]] = {}
        for repository in repositories:
            try:
                by_line.setdefault(self._router.connection_for(f"/repos/{repository.full_name}/").name, []).append(
                    repository
                )
            except ForgeError:
                continue  # reading it reports the error
        waiting: set[int] = set()
        notes: dict[str, str] = {}
        for name, homes in by_line.items():
            cost = self._router.connection_for(f"/repos/{homes[0].full_name}/").usage()
            turn = self._schedule.select([item.id for item in homes], cost, self._now())
            waiting |= turn.deferred
            notes |= {name: turn.note} if turn.note else {}
        with self._lock:
            self._deferred, self._schedule_notes = waiting & self._last_pulls.keys(), notes

    def pulls(self, repository: Repository) -> PullList:
        with self._lock:
            if repository.id in self._deferred:
                self._deferred.discard(repository.id)  # a caller that asks again has a reason
                return self._last_pulls[repository.id]
        found = self._read_pulls(repository)
        with self._lock:
            self._last_pulls[repository.id] = found
        return found

    def _read_pulls(self, repository: Repository) -> PullList:
        line = self._router.connection_for(f"{self._path(repository)}/")
        listing = line.listing(f"{self._path(repository)}/pulls?state=open", parsers.pulls)
        self._schedule.record_read(repository.id, self._now(), listing.requests_counted)
        if any(pull.key.repository != repository.id for pull in listing.items):
            raise _different_repository(repository)
        if not listing.items:
            self._check_exists(repository)
        found = {pull.key.number: self._without_labels_if_archived(pull) for pull in listing.items}.values()
        return PullList(tuple(found), listing.error is None, str(listing.error or ""))

    def pull(self, repository: Repository, number: int) -> PullRequest:
        try:
            found = self._router.get(f"{self._path(repository)}/pulls/{number}", parsers.pull)
        except ForgeNotFound:
            self._check_exists(repository)
            return parsers.gone_pull(keys.pull_request(repository.id, number))
        if found.key != keys.pull_request(repository.id, number):
            raise _different_repository(repository)
        return self._without_labels_if_archived(found)

    def _without_labels_if_archived(self, pull: PullRequest) -> PullRequest:
        """Labels of an archived repository can't be removed, so they don't count."""
        archived = self._finder.is_archived(pull.key.repository)
        return replace(pull, labels=frozenset()) if archived else pull

    def prefetch(
        self, commits: Sequence[tuple[Repository, str]], path: str, refresh: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        places = [CommitRef(self._path(repository), repository.id, sha) for repository, sha in commits]
        changed = frozenset(place for place in places if (place.repository, place.sha) in refresh)
        with contextlib.suppress(ForgeError):  # reading it later reports the error
            self._commits.prefetch(places, path, changed)

    def refs(self, repository: Repository, kind: RefKind, patterns: tuple[str, ...]) -> RefList:
        return self._refs.matching(self._path(repository), kind, patterns, lambda: self._check_exists(repository))

    def changed_files(self, repository: Repository, number: int) -> ChangedFiles:
        """Requested once per commit, so it isn't cached here."""
        found: set[str] = set()
        for page in range(1, MAX_FILE_PAGES + 1):
            url = f"{self._path(repository)}/pulls/{number}/files?per_page={PER_PAGE}&page={page}"
            files = self._router.get_once(url, parsers.changed_paths)
            found.update(path for paths in files for path in paths)
            if len(files) < PER_PAGE:
                return ChangedFiles(frozenset(found))
        return ChangedFiles(frozenset(found), complete=False)

    def file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes:
        name = (repository.id, path, ref)
        found = self._files.read(self._path(repository), name, limit, lambda: self._check_exists(repository))
        if found is None:
            raise ForgeNotFound(wording.file_not_found(repository.full_name, path, ref))
        return found

    def note(self, repository: Repository, sha: str, ref: str) -> str:
        return self._git_notes.read(self._path(repository), sha, ref, lambda: self._check_exists(repository))

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        return self._commits.checks(self._path(repository), sha, lambda: self._check_exists(repository))

    def decisions(self, repository: Repository, sha: str) -> Mapping[str, str]:
        return self._commits.decisions(self._path(repository), sha, lambda: self._check_exists(repository))

    def mark(self, repository: Repository, sha: str, mark: str, description: str) -> None:
        self._marks.mark(self._path(repository), sha, (mark, description), lambda: self._check_exists(repository))

    def may_write(self, repository: Repository, user: str) -> bool:
        key = (repository.id, user)
        with self._permission_locks[
            hash(key) % len(self._permission_locks)
        ]:  # many pull requests of one author ask at the same time
            until, allowed = self._writers.get(key, (0.0, False))
            if until <= self._now():
                allowed, seconds = self._ask_permission(repository, user)
                self._writers[key] = (self._now() + seconds, allowed)
            return allowed

    def _ask_permission(self, repository: Repository, user: str) -> tuple[bool, float]:
        """Returns how long the answer is valid, too: an account that isn't found is rarely deleted, and a host with
        problems returns 404, too."""
        url = f"{self._path(repository)}/collaborators/{quote(user, safe='')}/permission"
        try:
            return self._router.get(url, parsers.permission), PERMISSION_SECONDS
        except ForgeNotFound:
            self._check_exists(repository)
            return False, NOT_FOUND_SECONDS

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        self._sticky_comments.upsert((self._path(repository), number, marker), body)

    def posted_comment(self, repository: Repository, number: int, marker: str) -> PostedComment | None:
        return self._sticky_comments.posted((self._path(repository), number, marker))

    def comments_since(self, repository: Repository, since: datetime, keywords: Collection[str]) -> list[ChatComment]:
        return self._chat_comments.since(
            self._path(repository), since, keywords, lambda: self._check_exists(repository)
        )

    def react(self, repository: Repository, comment: int, reaction: Reaction) -> None:
        self._chat_comments.react(self._path(repository), comment, reaction, lambda: self._check_exists(repository))

    def add_label(self, repository: Repository, number: int, label: str) -> None:
        self._router.send("POST", f"{self._path(repository)}/issues/{number}/labels", {"labels": [label]})

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        self._marks.report(self._path(repository), sha, name, report, lambda: self._check_exists(repository))

    def report_deployment(self, repository: Repository, sha: str, environment: str, report: DeploymentReport) -> None:
        self._deployments.report(
            (self._path(repository), environment), sha, report, lambda: self._check_exists(repository)
        )

    def retire_deployment(self, repository: Repository, environment: str) -> str:
        return self._deployments.retire((self._path(repository), environment), lambda: self._check_exists(repository))

    def remove_label(self, repository: Repository, number: int, label: str) -> None:
        path = f"{self._path(repository)}/issues/{number}/labels/{quote(label, safe='')}"
        try:
            self._router.send("DELETE", path)
        except ForgeNotFound:
            self._check_exists(repository)

    def clone_url(self, repository: Repository) -> str:
        return repository.clone_url

    def git_environment(self, repository: Repository) -> Mapping[str, str]:
        """A header for the API's host only: the token isn't sent to other hosts that a clone URL may name."""
        url = urlsplit(repository.clone_url)
        api = urlsplit(self._base_url)
        if url.scheme not in ("http", "https") or url.hostname not in (api.hostname, (api.hostname or "")[4:]):
            return {}
        token = self._router.connection_for(f"{self._path(repository)}/").token
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        name = f"http.{url.scheme}://{url.netloc}/.extraHeader"
        value = "Authorization: Basic " + secret
        return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": name, "GIT_CONFIG_VALUE_0": value}

    def _with_clone_url(self, repository: Repository) -> Repository:
        if not self._clone_url:
            return repository
        return replace(repository, clone_url=self._clone_url.format(full_name=repository.full_name))

    def _path(self, repository: Repository) -> str:
        """Uses the newest name: a redirect would work, too, but loses the query."""
        with self._lock:
            return f"/repos/{self._names.get(repository.id, repository.full_name)}"

    def _check_exists(self, repository: Repository) -> None:
        """Raises unless the repository itself responds, with the same ID."""
        try:
            found = self._router.get(self._path(repository), parsers.repository)
        except ForgeNotFound:
            raise ForgeRefused(wording.access_lost(repository.full_name)) from None
        if found.id != repository.id:
            raise _different_repository(repository)

    def _login(self) -> str:
        return self._connections.login()


def _different_repository(repository: Repository) -> ForgeRefused:
    return ForgeRefused(wording.name_reused(repository.full_name))

"""GitHub as the port wants it.

A repository is its numeric id. Each answer is checked to be that very repository's: when a name was given to another
one, or our access was taken away, nothing is read out of it, least of all that pull requests are gone.
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

from orchestrator.core.model import CheckState, Key, PullRequest
from orchestrator.forge.github import hooks, readings, selection
from orchestrator.forge.github.accounts import Accounts, ByApp, ByToken, Switchboard
from orchestrator.forge.github.apps import App
from orchestrator.forge.github.comments import Comments
from orchestrator.forge.github.commits import Commits
from orchestrator.forge.github.conversations import Conversations
from orchestrator.forge.github.deployments import Deployments
from orchestrator.forge.github.files import Files
from orchestrator.forge.github.finder import Finder
from orchestrator.forge.github.hooks import Hooks
from orchestrator.forge.github.marks import Marks
from orchestrator.forge.github.notes import Notes
from orchestrator.forge.github.pace import Forward
from orchestrator.forge.github.queries import Place
from orchestrator.forge.github.refs import RefReader
from orchestrator.forge.github.rota import Rota
from orchestrator.forge.github.shelf import Shelf
from orchestrator.forge.github.transport import PER_PAGE, Means
from orchestrator.forge.port import (
    Changes,
    CheckReport,
    Cost,
    DeploymentReport,
    ForgeError,
    ForgeRefused,
    NotThere,
    Pulls,
    Reaction,
    Refs,
    Remark,
    Repository,
)
from stacks.model import RefKind

PERMISSION_SECONDS = 300.0
UNFOUND_SECONDS = 20.0
FILE_PAGES = 10
GITHUB = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class AppKey:
    """Of a GitHub App: its id, and the private key in PEM form."""

    app: str
    private_key: str


@dataclass(frozen=True, slots=True)
class Options:
    """``login``: who we are, where the token cannot ask. ``every``: seconds between two looks. ``clone_url``: where
    commits are fetched from instead, with ``{full_name}``."""

    organisations: tuple[str, ...] = ()
    login: str = ""
    every: float = 30.0
    clone_url: str = ""
    shelf: Shelf | None = None


class GitHubForge:
    """``base_url``: ``GITHUB``, or ``https://host/api/v3`` of an Enterprise server. ``key``: a token, or an App's.
    ``repositories``: ``owner/name`` or ``owner/pattern`` each. ``now``: seconds since the epoch."""

    def __init__(
        self,
        base_url: str,
        key: str | AppKey,
        repositories: Sequence[str],
        timeout: int = 10,
        now: Callable[[], float] = time.time,
        options: Options = Options(),
    ) -> None:
        chosen = selection.of(repositories, options.organisations)
        means = Means(base_url.rstrip("/"), timeout, now, shelf=options.shelf or Shelf(None))
        self._base, self._now, self._clone_url, self._shelf = (
            means.base_url,
            Forward(now),
            options.clone_url,
            means.shelf,
        )
        self._accounts: Accounts = (
            ByApp(App(means, key.app, key.private_key), chosen, now)
            if isinstance(key, AppKey)
            else ByToken(means, key, options.login)
        )
        self._transport = Switchboard(self._accounts, means.base_url)
        self._finder = Finder(chosen, self._accounts, now)
        self._rota = Rota(options.every)
        self._lock = threading.Lock()
        self._names: dict[int, str] = {}
        self._waiting: set[int] = set()
        self._last: dict[int, Pulls] = {}
        self._notes: dict[str, str] = {}
        self._writers: dict[tuple[int, str], tuple[float, bool]] = {}
        self._asking = [threading.Lock() for _ in range(64)]
        self._comments = Comments(self._transport, self._viewer)
        self._refs = RefReader(self._transport)
        self._git_notes = Notes(self._transport)
        self._marks = Marks(self._transport, self._viewer)
        self._files = Files(self._transport, means)
        self._commits = Commits(self._transport, self._marks, self._files, self._viewer, means)
        self._transport.sent = self._commits.sent
        self._deployments = Deployments(self._transport, self._now)
        self._conversations = Conversations(self._transport, self._viewer, self._now)

    def close(self) -> None:
        self._accounts.close()
        self._shelf.close()

    def hooks(self) -> Hooks:
        return hooks.look(self._accounts, self._transport, self._finder.known())

    def cost(self) -> Cost:
        return self._transport.cost()

    def problems(self) -> Mapping[str, str]:
        with self._lock:
            return {**self._finder.problems(), **self._notes}

    def repositories(self) -> list[Repository]:
        found = [self._mirrored(item) for item in self._finder.find()]
        with self._lock:
            self._names.update({repository.id: repository.full_name for repository in found})
        self._hold_back(found)
        return found

    def _hold_back(self, found: Sequence[Repository]) -> None:
        """Some wait for a later look, where a line's rest of the hour is too small for all of its repositories."""
        by_line: dict[str, list[Repository]] = {}
        for repository in found:
            try:
                by_line.setdefault(self._transport.line(f"/repos/{repository.full_name}/").name, []).append(repository)
            except ForgeError:
                continue  # its reading will tell
        waiting: set[int] = set()
        notes: dict[str, str] = {}
        for name, homes in by_line.items():
            cost = self._transport.line(f"/repos/{homes[0].full_name}/").cost()
            turn = self._rota.turn([item.id for item in homes], cost, self._now())
            waiting |= turn.left_out
            notes |= {name: turn.note} if turn.note else {}
        with self._lock:
            self._waiting, self._notes = waiting & self._last.keys(), notes

    def pulls(self, repository: Repository) -> Pulls:
        with self._lock:
            if repository.id in self._waiting:
                self._waiting.discard(repository.id)  # who asks a second time has a reason
                return self._last[repository.id]
        found = self._read_pulls(repository)
        with self._lock:
            self._last[repository.id] = found
        return found

    def _read_pulls(self, repository: Repository) -> Pulls:
        line = self._transport.line(f"{self._path(repository)}/")
        listing = line.listing(f"{self._path(repository)}/pulls?state=open", readings.pulls)
        self._rota.was_read(repository.id, self._now(), listing.cost)
        if any(pull.key.repository != repository.id for pull in listing.items):
            raise _another(repository)
        if not listing.items:
            self._present(repository)
        found = {pull.key.number: self._served(pull) for pull in listing.items}.values()
        return Pulls(repository, tuple(found), listing.error is None, str(listing.error or ""))

    def pull(self, repository: Repository, number: int) -> PullRequest:
        try:
            found = self._transport.get(f"{self._path(repository)}/pulls/{number}", readings.pull)
        except NotThere:
            self._present(repository)
            return readings.gone(Key(repository.id, number))
        if found.key != Key(repository.id, number):
            raise _another(repository)
        return self._served(found)

    def _served(self, pull: PullRequest) -> PullRequest:
        """In a repository that was archived nobody can take a label away any more: none counts."""
        archived = self._finder.is_archived(pull.key.repository)
        return replace(pull, labels=frozenset()) if archived else pull

    def ahead(
        self, commits: Sequence[tuple[Repository, str]], path: str, anew: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        places = [Place(self._path(repository), repository.id, sha) for repository, sha in commits]
        changed = frozenset(place for place in places if (place.repository, place.sha) in anew)
        with contextlib.suppress(ForgeError):  # whoever is asked next will tell
            self._commits.ahead(places, path, changed)

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
        name = (repository.id, path, ref)
        found = self._files.read(self._path(repository), name, limit, lambda: self._present(repository))
        if found is None:
            raise NotThere(f"{repository.full_name} has no {path} at {ref}")
        return found

    def note(self, repository: Repository, sha: str, ref: str) -> str:
        return self._git_notes.read(self._path(repository), sha, ref, lambda: self._present(repository))

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        return self._commits.checks(self._path(repository), sha, lambda: self._present(repository))

    def decisions(self, repository: Repository, sha: str) -> Mapping[str, str]:
        return self._commits.decisions(self._path(repository), sha, lambda: self._present(repository))

    def mark(self, repository: Repository, sha: str, mark: str, description: str) -> None:
        self._marks.mark(self._path(repository), sha, (mark, description), lambda: self._present(repository))

    def may_write(self, repository: Repository, user: str) -> bool:
        key = (repository.id, user)
        with self._asking[hash(key) % len(self._asking)]:  # many pull requests of one author ask at once
            until, allowed = self._writers.get(key, (0.0, False))
            if until <= self._now():
                allowed, seconds = self._ask_permission(repository, user)
                self._writers[key] = (self._now() + seconds, allowed)
            return allowed

    def _ask_permission(self, repository: Repository, user: str) -> tuple[bool, float]:
        """With how long that counts: an account that is not found is seldom gone, and a host in trouble says so too."""
        url = f"{self._path(repository)}/collaborators/{quote(user, safe='')}/permission"
        try:
            return self._transport.get(url, readings.permission), PERMISSION_SECONDS
        except NotThere:
            self._present(repository)
            return False, UNFOUND_SECONDS

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        self._comments.upsert((self._path(repository), number, marker), body)

    def comments_since(self, repository: Repository, since: datetime, words: Collection[str]) -> list[Remark]:
        return self._conversations.since(self._path(repository), since, words, lambda: self._present(repository))

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
        token = self._transport.line(f"{self._path(repository)}/").token
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        name = f"http.{url.scheme}://{url.netloc}/.extraHeader"
        value = f"Authorization: Basic {secret}"
        return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": name, "GIT_CONFIG_VALUE_0": value}

    def _mirrored(self, repository: Repository) -> Repository:
        if not self._clone_url:
            return repository
        return replace(repository, clone_url=self._clone_url.format(full_name=repository.full_name))

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
        return self._accounts.login()


def _another(repository: Repository) -> ForgeRefused:
    return ForgeRefused(
        f"the name {repository.full_name} leads to another repository now; set the new name in Eph's configuration"
    )

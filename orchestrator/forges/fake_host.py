"""A Git host in memory: what is in it, and verbs that change it as people, CI and outages do.

``create_repository``, ``push``, ``open_pull``, ``label``, ``close_pull``, ``vanish``, ``fail_next`` … Everything in it
can be inspected: ``comments``, ``reports``. ``fake`` is the port to it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.core.model.world import CheckState
from orchestrator.forges.port import (
    ChatComment,
    CheckReport,
    DeploymentReport,
    ForgeRefused,
    PostedComment,
    Reaction,
    Repository,
)
from orchestrator.forges.pull_requests import PullRequest, PullState
from orchestrator.forges.wording import ForgeWords
from stacks import keys

BOT_LOGIN = "eph-bot"


@dataclass(slots=True)
class FakeRepository:
    """One repository. ``branches``: name → commit; ``files``: commit → path → content."""

    repository: Repository
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    checks: dict[str, dict[str, CheckState]] = field(default_factory=dict)
    marks: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    """By ref and commit."""
    comments: dict[int, dict[str, PostedComment]] = field(default_factory=dict)
    """By pull request and marker."""
    reports: dict[tuple[str, str], CheckReport] = field(default_factory=dict)
    deployments: dict[str, dict[str, DeploymentReport]] = field(default_factory=dict)
    """By environment, then by commit, newest last."""
    chat_comments: list[ChatComment] = field(default_factory=list)
    writers: set[str] = field(default_factory=set)
    hidden: bool = False
    archived: bool = False
    last_number: int = 0
    """The last number assigned: numbers of deleted pull requests aren't reused."""


class FakeHost:
    """``now`` is the Git host's own clock."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._repositories: dict[int, FakeRepository] = {}
        self._failures: list[tuple[str, Exception]] = []
        self._unreadable_commits: dict[str, Exception] = {}
        self._emptied: set[int] = set()
        self._words = ForgeWords()
        self.words_error: Exception | None = None
        """What ``words`` raises, as a bug in a text would."""
        self.listed: deque[str] = deque(maxlen=100)
        """The repositories whose pull requests were listed, by name."""
        self._partial_refs: dict[int, tuple[int, str]] = {}
        self._partial_pulls: dict[int, tuple[int, str]] = {}
        self._commits = 0
        self._requests = 0
        self._comments = 0
        self.prefetched: deque[tuple[tuple[str, ...], str, frozenset[tuple[int, str]]]] = deque(maxlen=100)

    def create_repository(self, name: str, files: Mapping[str, str], clone_url: str = "") -> Repository:
        with self._lock:
            repository = Repository(1000 + len(self._repositories), name, clone_url or f"/nowhere/{name}.git", "main")
            self._repositories[repository.id] = FakeRepository(repository)
            self.push(repository, "main", files)
            return repository

    def push(self, repository: Repository, branch: str, files: Mapping[str, str | None], sha: str = "") -> str:
        """``sha``: a real commit, if one exists."""
        with self._lock:
            home = self._repositories[repository.id]
            self._commits += 1
            sha = sha or hashlib.sha1(f"commit {self._commits}".encode(), usedforsecurity=False).hexdigest()
            before = home.files.get(home.branches.get(branch, home.branches.get("main", "")), {})
            after = {**before, **{path: text.encode() for path, text in files.items() if text is not None}}
            home.files[sha] = {path: data for path, data in after.items() if files.get(path, "") is not None}
            home.branches[branch] = sha
            home.repository = replace(home.repository, pushed_at=str(self._commits))
            for number, pull in home.pulls.items():
                if pull.head_ref == branch and pull.state is PullState.OPEN:
                    home.pulls[number] = replace(pull, head_sha=sha)
            return sha

    def open_pull(
        self, repository: Repository, branch: str, title: str = "", by: str = "ada", from_fork: bool = False
    ) -> int:
        with self._lock:
            home = self._repositories[repository.id]
            home.last_number += 1
            number = home.last_number
            url = f"https://git.example/{home.repository.full_name}/pull/{number}"
            home.pulls[number] = PullRequest(
                keys.pull_request(repository.id, number), PullState.OPEN, title or branch, frozenset(), by,
                home.branches[branch], branch, "main", url, from_fork,
            )  # fmt: skip
            return number

    def update_pull(self, repository: Repository, number: int, **fields: Any) -> None:
        """Changes any field of a pull request: ``draft=True``, ``title="…"``."""
        with self._lock:
            home = self._repositories[repository.id]
            home.pulls[number] = replace(home.pulls[number], **fields)

    def label(self, repository: Repository, number: int, *labels: str) -> None:
        self.update_pull(
            repository, number, labels=self._repositories[repository.id].pulls[number].labels | set(labels)
        )

    def unlabel(self, repository: Repository, number: int, label: str) -> None:
        self.update_pull(repository, number, labels=self._repositories[repository.id].pulls[number].labels - {label})

    def close_pull(self, repository: Repository, number: int) -> None:
        self.update_pull(repository, number, state=PullState.CLOSED)

    def reopen(self, repository: Repository, number: int) -> None:
        branch = self._repositories[repository.id].pulls[number].head_ref
        sha = self._repositories[repository.id].branches[branch]
        self.update_pull(repository, number, state=PullState.OPEN, head_sha=sha)

    def merge(self, repository: Repository, number: int) -> None:
        self.update_pull(repository, number, state=PullState.MERGED)

    def vanish(self, repository: Repository, number: int) -> None:
        """The pull request is gone, but the repository still responds."""
        with self._lock:
            self._repositories[repository.id].pulls.pop(number)

    def hide(self, repository: Repository, hidden: bool = True) -> None:
        """Revokes our access: every request returns 404."""
        self._repositories[repository.id].hidden = hidden

    def archive(self, repository: Repository, archived: bool = True) -> None:
        """Makes it read-only: every write is rejected."""
        self._repositories[repository.id].archived = archived

    def rename(self, repository: Repository, to: str) -> None:
        home = self._repositories[repository.id]
        home.repository = replace(home.repository, full_name=to)

    def grant_write(self, repository: Repository, user: str) -> None:
        self._repositories[repository.id].writers.add(user)

    def write_note(self, repository: Repository, sha: str, text: str, ref: str = "refs/notes/eph") -> None:
        self._repositories[repository.id].notes[ref, sha] = text

    def set_check(self, repository: Repository, sha: str, name: str, state: CheckState) -> None:
        self._repositories[repository.id].checks.setdefault(sha, {})[name] = state

    def fail_next(self, error: Exception, method: str = "", count: int = 1) -> None:
        """The next calls (of that method) raise."""
        self._failures.extend([(method, error)] * count)

    def recover(self) -> None:
        """Ends all failures."""
        self._failures.clear()

    def fail_files(self, sha: str, error: Exception) -> None:
        """Reading a file of this commit raises."""
        self._unreadable_commits[sha] = error

    def list_nothing(self, repository: Repository, empty: bool = True) -> None:
        """The list of its pull requests is empty and claims to be complete."""
        (self._emptied.add if empty else self._emptied.discard)(repository.id)

    def truncate_next_pulls(self, repository: Repository, count: int, reason: str = "page 2 is missing") -> None:
        """The next list contains at most ``count`` items, and says that it is incomplete."""
        self._partial_pulls[repository.id] = (count, reason)

    def add_comment(self, repository: Repository, number: int, body: str, at: datetime, by: str = "ada") -> int:
        """Adds a comment to a pull request and returns its ID."""
        with self._lock:
            self._comments += 1
            remark = ChatComment(self._comments, number, by, body, at, by_bot=by in (BOT_LOGIN, "dependabot[bot]"))
            self._repositories[repository.id].chat_comments.append(remark)
            return remark.id

    def edit_comment(self, repository: Repository, comment: int, body: str) -> None:
        remarks = self._repositories[repository.id].chat_comments
        remarks[:] = [replace(item, body=body) if item.id == comment else item for item in remarks]

    def reactions(self, repository: Repository, comment: int) -> frozenset[Reaction]:
        return next(
            item.our_reactions for item in self._repositories[repository.id].chat_comments if item.id == comment
        )

    def truncate_next_refs(self, repository: Repository, count: int, reason: str = "page 2 is missing") -> None:
        self._partial_refs[repository.id] = (count, reason)

    def tag(self, repository: Repository, name: str, sha: str = "") -> None:
        """``sha`` empty: the newest commit of main."""
        home = self._repositories[repository.id]
        home.tags[name] = sha or home.branches["main"]

    def delete_tag(self, repository: Repository, name: str) -> None:
        self._repositories[repository.id].tags.pop(name)

    def delete_branch(self, repository: Repository, name: str) -> None:
        self._repositories[repository.id].branches.pop(name)

    def branch(self, repository: Repository, name: str) -> str:
        """Its commit."""
        return self._repositories[repository.id].branches[name]

    def comments(self, repository: Repository, number: int) -> list[str]:
        return [posted.body for posted in self._repositories[repository.id].comments.get(number, {}).values()]

    def comments_by_number(self, repository: Repository) -> Mapping[int, list[str]]:
        return {number: self.comments(repository, number) for number in self._repositories[repository.id].comments}

    def reports(self, repository: Repository, sha: str) -> Mapping[str, CheckReport]:
        return {name: report for (at, name), report in self._repositories[repository.id].reports.items() if at == sha}

    def deployments(self, repository: Repository) -> Mapping[str, Mapping[str, DeploymentReport]]:
        """By environment, then by commit."""
        return self._repositories[repository.id].deployments

    @contextmanager
    def _call(self, method: str) -> Iterator[None]:
        with self._lock:
            self._requests += 1
            for item in self._failures:
                if item[0] in ("", method):
                    self._failures.remove(item)
                    raise item[1]
            yield

    def _repository(self, repository: Repository) -> FakeRepository:
        home = self._repositories.get(repository.id)
        if home is None or home.hidden:
            raise ForgeRefused(f"{repository.full_name} is no longer accessible: it was deleted, or Eph lost access")
        return home

    def _writable(self, repository: Repository) -> FakeRepository:
        home = self._repository(repository)
        if home.archived:
            raise ForgeRefused(f"{repository.full_name} is archived and therefore read-only")
        return home

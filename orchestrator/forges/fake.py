"""A Git host in memory, for stories and for development against the port. It runs the contract tests, too.

Besides the port's methods it has verbs that change the world: ``create_repository``, ``push``, ``open_pull``,
``label``, ``close_pull``, ``vanish``, ``fail_next`` … Everything in it can be inspected: ``comments``, ``reports``.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.core.model.world import CheckState
from orchestrator.core.util import globs
from orchestrator.forges.port import (
    ApiUsage,
    ChangedFiles,
    ChatComment,
    CheckReport,
    DeploymentReport,
    DeploymentState,
    ForgeNotFound,
    ForgeRefused,
    PostedComment,
    PullList,
    Reaction,
    RefList,
    Repository,
    mentions,
)
from orchestrator.forges.pull_requests import PullRequest, PullState
from orchestrator.forges.wording import ForgeWords
from stacks import keys
from stacks.model import RefKind

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


class FakeForge:
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

    # --- the port

    @property
    def words(self) -> ForgeWords:
        if self.words_error is not None:
            raise self.words_error
        return self._words

    def repositories(self) -> list[Repository]:
        with self._call("repositories"):
            seen = [home.repository for home in self._repositories.values() if not home.hidden]
            if self._repositories and not seen:
                raise ForgeRefused("none of the repositories is accessible")
            return seen

    def problems(self) -> Mapping[str, str]:
        hidden = [home.repository.full_name for home in self._repositories.values() if home.hidden]
        return {name: f"{name} is not accessible" for name in hidden}

    def pulls(self, repository: Repository) -> PullList:
        with self._call("pulls"):
            home = self._repository(repository)
            self.listed.append(home.repository.full_name)
            if repository.id in self._emptied:
                return PullList(())
            found = tuple(pull for _, pull in sorted(home.pulls.items()) if pull.state is PullState.OPEN)
            if repository.id in self._partial_pulls:
                count, reason = self._partial_pulls.pop(repository.id)
                return PullList(found[:count], False, reason)
            return PullList(found)

    def pull(self, repository: Repository, number: int) -> PullRequest:
        with self._call("pull"):
            missing = PullRequest(
                keys.pull_request(repository.id, number), PullState.GONE, "", frozenset(), "", "", "", "", ""
            )
            return self._repository(repository).pulls.get(number, missing)

    def refs(self, repository: Repository, kind: RefKind, patterns: tuple[str, ...]) -> RefList:
        with self._call("refs"):
            home = self._repository(repository)
            found = home.branches if kind is RefKind.BRANCH else home.tags
            commits = {name: sha for name, sha in sorted(found.items()) if globs.any_matches(patterns, name)}
            if repository.id in self._partial_refs:
                count, reason = self._partial_refs.pop(repository.id)
                return RefList(dict(list(commits.items())[:count]), False, reason)
            return RefList(commits)

    def changed_files(self, repository: Repository, number: int) -> ChangedFiles:
        with self._call("changed_files"):
            home = self._repository(repository)
            pull = home.pulls[number]
            before, after = home.files[home.branches[pull.base_ref]], home.files[pull.head_sha]
            return ChangedFiles(frozenset(path for path in before | after if before.get(path) != after.get(path)))

    def prefetch(
        self, commits: Sequence[tuple[Repository, str]], path: str, refresh: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        """Recorded, so that tests can look at it."""
        self.prefetched.append((tuple(sha for _, sha in commits), path, refresh))

    def file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes:
        with self._call("file"):
            if ref in self._unreadable_commits:
                raise self._unreadable_commits[ref]
            home = self._repository(repository)
            content = home.files.get(home.branches.get(ref, ref), {}).get(path)
            if content is None:
                raise ForgeNotFound(f"{repository.full_name} has no {path} at {ref}")
            if len(content) > limit:
                raise ForgeRefused(f"{path} has {len(content)} bytes; the limit is {limit}")
            return content

    def note(self, repository: Repository, sha: str, ref: str) -> str:
        with self._call("note"):
            return self._repository(repository).notes.get((ref, sha), "")

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        with self._call("checks"):
            return dict(self._repository(repository).checks.get(sha, {}))

    def decisions(self, repository: Repository, sha: str) -> Mapping[str, str]:
        with self._call("decisions"):
            found = self._repository(repository).marks.get(sha, {})
            return {name: text for name, text in found.items() if text}

    def mark(self, repository: Repository, sha: str, mark: str, description: str) -> None:
        with self._call("mark"):
            self._writable(repository).marks.setdefault(sha, {})[mark] = description

    def may_write(self, repository: Repository, user: str) -> bool:
        with self._call("may_write"):
            home = self._repository(repository)
            return user in home.writers or user == home.repository.full_name.partition("/")[0]

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        if marker not in body:
            raise ValueError("the comment's body doesn't contain its marker, so Eph couldn't find it again")
        with self._call("upsert_comment"):
            held = self._writable(repository).comments.setdefault(number, {})
            if marker not in held or held[marker].body != body:
                held[marker] = PostedComment(body, self._now())

    def posted_comment(self, repository: Repository, number: int, marker: str) -> PostedComment | None:
        with self._call("posted_comment"):
            return self._repository(repository).comments.get(number, {}).get(marker)

    def comments_since(self, repository: Repository, since: datetime, keywords: Collection[str]) -> list[ChatComment]:
        with self._call("comments_since"):
            found = self._repository(repository).chat_comments
            return [item for item in found if item.created >= since and mentions(item.body, keywords)]

    def react(self, repository: Repository, comment: int, reaction: Reaction) -> None:
        with self._call("react"):
            remarks = self._repository(repository).chat_comments
            for place, item in enumerate(remarks):
                if item.id == comment:
                    remarks[place] = replace(item, our_reactions=item.our_reactions | {reaction})
                    return
            raise ForgeNotFound(f"{repository.full_name} has no comment {comment}")

    def add_label(self, repository: Repository, number: int, label: str) -> None:
        with self._call("add_label"):
            self.label(repository, number, label)

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        with self._call("report_check"):
            self._writable(repository).reports[(sha, name)] = report

    def report_deployment(self, repository: Repository, sha: str, environment: str, report: DeploymentReport) -> None:
        with self._call("report_deployment"):
            deployments = self._writable(repository).deployments.setdefault(environment, {})
            final = report.state is not DeploymentState.IN_PROGRESS
            for other, other_report in deployments.items():
                if other != sha and (final or other_report.state is DeploymentState.IN_PROGRESS):
                    deployments[other] = DeploymentReport(DeploymentState.INACTIVE, f"Superseded by {sha[:7]}.")
            if deployments.pop(sha, None) is not None or report.state is not DeploymentState.INACTIVE:
                deployments[sha] = report

    def retire_deployment(self, repository: Repository, environment: str) -> str:
        with self._call("retire_deployment"):
            self._writable(repository).deployments.pop(environment, None)
            return ""

    def remove_label(self, repository: Repository, number: int, label: str) -> None:
        with self._call("remove_label"):
            home = self._writable(repository)
            if number in home.pulls:
                pull = home.pulls[number]
                home.pulls[number] = replace(pull, labels=pull.labels - {label})

    def clone_url(self, repository: Repository) -> str:
        return repository.clone_url

    def git_environment(self, repository: Repository) -> Mapping[str, str]:  # noqa: ARG002 - the port's argument
        return {}

    def close(self) -> None:
        """There is no connection to close."""

    def usage(self) -> ApiUsage:
        return ApiUsage(counted=self._requests)

    # --- verbs of tests

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

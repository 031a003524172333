"""A Git host in memory, for stories and for whoever writes against the port. The contract tests run on it too.

Beside the port's verbs it has the world's: ``create_repository``, ``push``, ``open_pull``, ``label``, ``close_pull``,
``vanish``, ``fail_next`` … Everything it holds is plain to look at: ``comments``, ``reports``.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from orchestrator.core import globs
from orchestrator.core.model import CheckState, Key, PullRequest, PullState
from orchestrator.forge.port import (
    Changes,
    CheckReport,
    Cost,
    DeploymentReport,
    DeploymentState,
    ForgeError,
    ForgeRefused,
    NotThere,
    Pulls,
    Reaction,
    Refs,
    Remark,
    Repository,
    holds,
)
from stacks.model import RefKind

SELF = "eph-bot"


@dataclass(slots=True)
class Home:
    """One repository. ``branches``: name → commit; ``files``: commit → path → content."""

    repository: Repository
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    checks: dict[str, dict[str, CheckState]] = field(default_factory=dict)
    decisions: dict[str, dict[str, str]] = field(default_factory=dict)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    """By ref and commit."""
    comments: dict[int, dict[str, str]] = field(default_factory=dict)
    reports: dict[tuple[str, str], CheckReport] = field(default_factory=dict)
    deployments: dict[str, dict[str, DeploymentReport]] = field(default_factory=dict)
    """By environment, by commit; the newest last."""
    remarks: list[Remark] = field(default_factory=list)
    writers: set[str] = field(default_factory=set)
    hidden: bool = False
    archived: bool = False
    numbers: int = 0
    """Given so far: the number of a pull request that is gone is not given again."""


class FakeForge:
    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._homes: dict[int, Home] = {}
        self._failures: list[tuple[str, ForgeError]] = []
        self._partial_refs: dict[int, tuple[int, str]] = {}
        self._partial: dict[int, tuple[int, str]] = {}
        self._commits = 0
        self._asked = 0
        self._comments = 0
        self.asked_ahead: deque[tuple[tuple[str, ...], str, frozenset[tuple[int, str]]]] = deque(maxlen=100)

    # --- the port

    def repositories(self) -> list[Repository]:
        with self._asked_for("repositories"):
            seen = [home.repository for home in self._homes.values() if not home.hidden]
            if self._homes and not seen:
                raise ForgeRefused("none of the repositories can be seen")
            return seen

    def problems(self) -> Mapping[str, str]:
        hidden = [home.repository.full_name for home in self._homes.values() if home.hidden]
        return {name: f"{name} cannot be seen" for name in hidden}

    def pulls(self, repository: Repository) -> Pulls:
        with self._asked_for("pulls"):
            home = self._home(repository)
            found = tuple(pull for _, pull in sorted(home.pulls.items()) if pull.state is PullState.OPEN)
            if repository.id in self._partial:
                count, reason = self._partial.pop(repository.id)
                return Pulls(home.repository, found[:count], False, reason)
            return Pulls(home.repository, found)

    def pull(self, repository: Repository, number: int) -> PullRequest:
        with self._asked_for("pull"):
            key = Key(repository.id, number)
            gone = PullRequest(key, PullState.GONE, "", frozenset(), "", "", "", "", "")
            return self._home(repository).pulls.get(number, gone)

    def refs(self, repository: Repository, kind: RefKind, patterns: tuple[str, ...]) -> Refs:
        with self._asked_for("refs"):
            home = self._home(repository)
            found = home.branches if kind is RefKind.BRANCH else home.tags
            commits = {name: sha for name, sha in sorted(found.items()) if globs.any_matches(patterns, name)}
            if repository.id in self._partial_refs:
                count, reason = self._partial_refs.pop(repository.id)
                return Refs(dict(list(commits.items())[:count]), False, reason)
            return Refs(commits)

    def changed_files(self, repository: Repository, number: int) -> Changes:
        with self._asked_for("changed_files"):
            home = self._home(repository)
            pull = home.pulls[number]
            before, after = home.files[home.branches[pull.base_ref]], home.files[pull.head_sha]
            return Changes(frozenset(path for path in before | after if before.get(path) != after.get(path)))

    def ahead(
        self, commits: Sequence[tuple[Repository, str]], path: str, anew: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        """Noted, for whoever looks."""
        self.asked_ahead.append((tuple(sha for _, sha in commits), path, anew))

    def file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes:
        with self._asked_for("file"):
            home = self._home(repository)
            content = home.files.get(home.branches.get(ref, ref), {}).get(path)
            if content is None:
                raise NotThere(f"{repository.full_name} has no {path} at {ref}")
            if len(content) > limit:
                raise ForgeRefused(f"{path} has {len(content)} bytes; at most {limit} are read")
            return content

    def note(self, repository: Repository, sha: str, ref: str) -> str:
        with self._asked_for("note"):
            return self._home(repository).notes.get((ref, sha), "")

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        with self._asked_for("checks"):
            return dict(self._home(repository).checks.get(sha, {}))

    def decisions(self, repository: Repository, sha: str) -> Mapping[str, str]:
        with self._asked_for("decisions"):
            found = self._home(repository).decisions.get(sha, {})
            return {name: text for name, text in found.items() if text}

    def mark(self, repository: Repository, sha: str, mark: str, description: str) -> None:
        with self._asked_for("mark"):
            self._writable(repository).decisions.setdefault(sha, {})[mark] = description

    def may_write(self, repository: Repository, user: str) -> bool:
        with self._asked_for("may_write"):
            home = self._home(repository)
            return user in home.writers or user == home.repository.full_name.partition("/")[0]

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        if marker not in body:
            raise ValueError("the comment's body does not hold its marker, so it could never be found again")
        with self._asked_for("upsert_comment"):
            self._writable(repository).comments.setdefault(number, {})[marker] = body

    def comments_since(self, repository: Repository, since: datetime, words: Collection[str]) -> list[Remark]:
        with self._asked_for("comments_since"):
            found = self._home(repository).remarks
            return [item for item in found if item.created >= since and holds(item.body, words)]

    def react(self, repository: Repository, comment: int, reaction: Reaction) -> None:
        with self._asked_for("react"):
            remarks = self._home(repository).remarks
            for place, item in enumerate(remarks):
                if item.id == comment:
                    remarks[place] = replace(item, answered=item.answered | {reaction})
                    return
            raise NotThere(f"{repository.full_name} has no comment {comment}")

    def add_label(self, repository: Repository, number: int, label: str) -> None:
        with self._asked_for("add_label"):
            self.label(repository, number, label)

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        with self._asked_for("report_check"):
            self._writable(repository).reports[(sha, name)] = report

    def report_deployment(self, repository: Repository, sha: str, environment: str, report: DeploymentReport) -> None:
        with self._asked_for("report_deployment"):
            there = self._writable(repository).deployments.setdefault(environment, {})
            final = report.state is not DeploymentState.IN_PROGRESS
            for other, said in there.items():
                if other != sha and (final or said.state is DeploymentState.IN_PROGRESS):
                    there[other] = DeploymentReport(DeploymentState.INACTIVE, f"{sha[:7]} came after it.")
            if there.pop(sha, None) is not None or report.state is not DeploymentState.INACTIVE:
                there[sha] = report

    def retire_deployment(self, repository: Repository, environment: str) -> str:
        with self._asked_for("retire_deployment"):
            self._writable(repository).deployments.pop(environment, None)
            return ""

    def remove_label(self, repository: Repository, number: int, label: str) -> None:
        with self._asked_for("remove_label"):
            home = self._writable(repository)
            if number in home.pulls:
                pull = home.pulls[number]
                home.pulls[number] = replace(pull, labels=pull.labels - {label})

    def clone_url(self, repository: Repository) -> str:
        return repository.clone_url

    def git_environment(self, repository: Repository) -> Mapping[str, str]:  # noqa: ARG002 - the port's argument
        return {}

    def cost(self) -> Cost:
        return Cost(counted=self._asked)

    # --- the world

    def create_repository(self, name: str, files: Mapping[str, str], clone_url: str = "") -> Repository:
        with self._lock:
            repository = Repository(1000 + len(self._homes), name, clone_url or f"/nowhere/{name}.git", "main")
            self._homes[repository.id] = Home(repository)
            self.push(repository, "main", files)
            return repository

    def push(self, repository: Repository, branch: str, files: Mapping[str, str | None], sha: str = "") -> str:
        """``sha``: of a real commit, where there is one behind it."""
        with self._lock:
            home = self._homes[repository.id]
            self._commits += 1
            sha = sha or hashlib.sha1(f"commit {self._commits}".encode(), usedforsecurity=False).hexdigest()
            before = home.files.get(home.branches.get(branch, home.branches.get("main", "")), {})
            after = {**before, **{path: text.encode() for path, text in files.items() if text is not None}}
            home.files[sha] = {path: data for path, data in after.items() if files.get(path, "") is not None}
            home.branches[branch] = sha
            home.repository = replace(home.repository, pushed=str(self._commits))
            for number, pull in home.pulls.items():
                if pull.head_ref == branch and pull.state is PullState.OPEN:
                    home.pulls[number] = replace(pull, head_sha=sha)
            return sha

    def open_pull(
        self, repository: Repository, branch: str, title: str = "", by: str = "ada", from_fork: bool = False
    ) -> int:
        with self._lock:
            home = self._homes[repository.id]
            home.numbers += 1
            number = home.numbers
            url = f"https://git.example/{home.repository.full_name}/pull/{number}"
            home.pulls[number] = PullRequest(
                Key(repository.id, number), PullState.OPEN, title or branch, frozenset(), by,
                home.branches[branch], branch, "main", url, from_fork,
            )  # fmt: skip
            return number

    def change(self, repository: Repository, number: int, **fields: Any) -> None:
        """Any field of a pull request: ``draft=True``, ``title="…"``."""
        with self._lock:
            home = self._homes[repository.id]
            home.pulls[number] = replace(home.pulls[number], **fields)

    def label(self, repository: Repository, number: int, *labels: str) -> None:
        self.change(repository, number, labels=self._homes[repository.id].pulls[number].labels | set(labels))

    def unlabel(self, repository: Repository, number: int, label: str) -> None:
        self.change(repository, number, labels=self._homes[repository.id].pulls[number].labels - {label})

    def close_pull(self, repository: Repository, number: int) -> None:
        self.change(repository, number, state=PullState.CLOSED)

    def reopen(self, repository: Repository, number: int) -> None:
        branch = self._homes[repository.id].pulls[number].head_ref
        sha = self._homes[repository.id].branches[branch]
        self.change(repository, number, state=PullState.OPEN, head_sha=sha)

    def merge(self, repository: Repository, number: int) -> None:
        self.change(repository, number, state=PullState.MERGED)

    def vanish(self, repository: Repository, number: int) -> None:
        """The pull request is gone, and the repository still answers."""
        with self._lock:
            self._homes[repository.id].pulls.pop(number)

    def hide(self, repository: Repository, hidden: bool = True) -> None:
        """Our access was taken away: everything of it answers 404."""
        self._homes[repository.id].hidden = hidden

    def archive(self, repository: Repository, archived: bool = True) -> None:
        """It can be read; whatever would change it is refused."""
        self._homes[repository.id].archived = archived

    def rename(self, repository: Repository, to: str) -> None:
        home = self._homes[repository.id]
        home.repository = replace(home.repository, full_name=to)

    def allow(self, repository: Repository, user: str) -> None:
        self._homes[repository.id].writers.add(user)

    def write_note(self, repository: Repository, sha: str, text: str, ref: str = "refs/notes/eph") -> None:
        self._homes[repository.id].notes[ref, sha] = text

    def set_check(self, repository: Repository, sha: str, name: str, state: CheckState) -> None:
        self._homes[repository.id].checks.setdefault(sha, {})[name] = state

    def fail_next(self, error: ForgeError, verb: str = "", count: int = 1) -> None:
        """The next calls (of that verb) raise."""
        self._failures.extend([(verb, error)] * count)

    def cut_next(self, repository: Repository, count: int, reason: str = "page 2 did not come") -> None:
        """The next listing holds only so many, and says that it is not complete."""
        self._partial[repository.id] = (count, reason)

    def say(self, repository: Repository, number: int, body: str, at: datetime, by: str = "ada") -> int:
        """A comment on a pull request; gives its id."""
        with self._lock:
            self._comments += 1
            remark = Remark(self._comments, number, by, body, at, by_program=by in (SELF, "dependabot[bot]"))
            self._homes[repository.id].remarks.append(remark)
            return remark.id

    def edit(self, repository: Repository, comment: int, body: str) -> None:
        remarks = self._homes[repository.id].remarks
        remarks[:] = [replace(item, body=body) if item.id == comment else item for item in remarks]

    def reactions(self, repository: Repository, comment: int) -> frozenset[Reaction]:
        return next(item.answered for item in self._homes[repository.id].remarks if item.id == comment)

    def cut_refs(self, repository: Repository, count: int, reason: str = "page 2 did not come") -> None:
        self._partial_refs[repository.id] = (count, reason)

    def tag(self, repository: Repository, name: str, sha: str = "") -> None:
        """``sha`` empty: of the newest commit of main."""
        home = self._homes[repository.id]
        home.tags[name] = sha or home.branches["main"]

    def delete_tag(self, repository: Repository, name: str) -> None:
        self._homes[repository.id].tags.pop(name)

    def delete_branch(self, repository: Repository, name: str) -> None:
        self._homes[repository.id].branches.pop(name)

    def branch(self, repository: Repository, name: str) -> str:
        """Its commit."""
        return self._homes[repository.id].branches[name]

    def comments(self, repository: Repository, number: int) -> list[str]:
        return list(self._homes[repository.id].comments.get(number, {}).values())

    def reports(self, repository: Repository, sha: str) -> Mapping[str, CheckReport]:
        return {name: report for (at, name), report in self._homes[repository.id].reports.items() if at == sha}

    def deployments(self, repository: Repository) -> Mapping[str, Mapping[str, DeploymentReport]]:
        """By environment, by commit."""
        return self._homes[repository.id].deployments

    @contextmanager
    def _asked_for(self, verb: str) -> Iterator[None]:
        with self._lock:
            self._asked += 1
            for item in self._failures:
                if item[0] in ("", verb):
                    self._failures.remove(item)
                    raise item[1]
            yield

    def _home(self, repository: Repository) -> Home:
        home = self._homes.get(repository.id)
        if home is None or home.hidden:
            raise ForgeRefused(f"{repository.full_name} cannot be seen any more: deleted, or our access was taken away")
        return home

    def _writable(self, repository: Repository) -> Home:
        home = self._home(repository)
        if home.archived:
            raise ForgeRefused(f"{repository.full_name} is archived and so read-only")
        return home

"""The Git host in a few verbs. One contract test runs on every adapter (tests/contracts).

Reading is incremental and conditional inside the adapter; what it returns is always whole or says that it isn't.
All methods block and are called from threads; an adapter is safe for use from several at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from orchestrator.core.model import CheckState, PullRequest


class ForgeError(Exception):
    """The Git host did not do as asked. The message says what, where and what to do about it."""

    retry_after: float | None = None


class ForgeUnavailable(ForgeError):
    """It may work later: a time-out, a 5xx, a limit (``retry_after`` seconds)."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ForgeRefused(ForgeError):
    """It will not work until somebody changes a permission or a setting."""


class NotThere(ForgeError):
    """The repository answered, and has no such file or thing."""


@dataclass(frozen=True, slots=True)
class Repository:
    id: int
    full_name: str
    clone_url: str
    default_branch: str


@dataclass(frozen=True, slots=True)
class Pulls:
    """The open pull requests of a repository. Not ``complete``: ``reason`` says what was missing."""

    repository: Repository
    open: tuple[PullRequest, ...]
    complete: bool = True
    reason: str = ""


class Conclusion(StrEnum):
    """Of our check run."""

    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class CheckReport:
    conclusion: Conclusion
    title: str
    summary: str
    details_url: str = ""


class Forge(Protocol):
    def repositories(self) -> list[Repository]:
        """The repositories that Eph serves, by configuration; raises when they cannot be told."""

    def pulls(self, repository: Repository) -> Pulls:
        """All open pull requests, with labels. A failure half-way gives what was read, not ``complete``."""

    def pull(self, repository: Repository, number: int) -> PullRequest:
        """That very pull request; ``state`` GONE only when the repository itself answers with the same id."""

    def file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes:
        """A file at a commit; NotThere when the commit has none; a larger one raises ForgeRefused."""

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        """Check runs and commit statuses of a commit, by name, without our own."""

    def may_write(self, repository: Repository, user: str) -> bool:
        """Whether a person may push to the repository."""

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        """The one comment of ours that holds the hidden ``marker``: made, or edited when it reads otherwise."""

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        """Our check run of that name on a commit: made, or brought to this state."""

    def remove_label(self, repository: Repository, number: int, label: str) -> None: ...

    def clone_url(self, repository: Repository) -> str:
        """Where to fetch commits from, with whatever git needs to be let in."""


def labelled(pulls: Iterable[PullRequest], labels: frozenset[str]) -> list[PullRequest]:
    """Those with any of the labels."""
    return [pull for pull in pulls if pull.labels & labels]

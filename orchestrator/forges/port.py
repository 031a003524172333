"""The Git host in a few methods. One contract test suite runs on every adapter (tests/contracts).

Reads are incremental and conditional inside the adapter. A result is complete or says that it isn't: a failed read is
never an empty one. All methods block and are called from several threads at once, so an adapter must be thread-safe.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from orchestrator.core.model.world import CheckState
from orchestrator.forges.pull_requests import PullRequest
from orchestrator.forges.wording import ForgeWords
from stacks.model import RefKind


class ForgeError(Exception):
    """A request to the Git host failed. The message says what happened, where, and what to do about it."""

    retry_after: float | None = None


class ForgeUnavailable(ForgeError):
    """Temporary: a timeout, a 5xx, a rate limit (``retry_after`` seconds)."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ForgeRefused(ForgeError):
    """Permanent until a person changes a permission or a setting."""


class ForgeForbidden(ForgeRefused):
    """Our credentials lack the permission, for the whole repository."""


class ForgeUnsupported(ForgeRefused):
    """This Git host doesn't have the feature. It is reported once and rarely tried again."""


class ForgeNotFound(ForgeError):
    """The repository exists, but the file or object doesn't."""


@dataclass(frozen=True, slots=True)
class Repository:
    id: int
    full_name: str
    clone_url: str
    default_branch: str
    pushed_at: str = field(default="", compare=False)
    """Changes with every push; empty if the host doesn't report it."""


@dataclass(frozen=True, slots=True)
class PullList:
    """The open pull requests of a repository. If not ``complete``, ``reason`` says what is missing."""

    open: tuple[PullRequest, ...]
    complete: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFiles:
    """The paths that a pull request changes, including the old names of renamed files. Not ``complete`` if there are
    more than the adapter reads."""

    paths: frozenset[str]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class RefList:
    """Branches or tags by name, each with its commit. If not ``complete``, ``reason`` says why, and absence proves
    nothing."""

    commits: Mapping[str, str]
    complete: bool = True
    reason: str = ""


class Conclusion(StrEnum):
    """The conclusion of our check."""

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


class DeploymentState(StrEnum):
    """Of our deployment of one commit. The adapter sets an older commit's deployment to ``inactive``."""

    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class DeploymentReport:
    state: DeploymentState
    description: str
    environment_url: str = ""


class Reaction(StrEnum):
    """Our reaction to a chat command. ``SEEN``: it was read; the others are final."""

    SEEN = "eyes"
    DONE = "+1"
    CONFUSED = "confused"
    REFUSED = "-1"


@dataclass(frozen=True, slots=True)
class ChatComment:
    """A comment on an issue or a pull request. ``by_bot``: written by a bot or by Eph."""

    id: int
    number: int
    author: str
    body: str
    created: datetime
    by_bot: bool = False
    our_reactions: frozenset[Reaction] = frozenset()
    """Our own reactions only."""


@dataclass(frozen=True, slots=True)
class PostedComment:
    """Our comment as the Git host shows it. ``updated``: when it was last changed, by the host's clock."""

    body: str
    updated: datetime


EXPIRED = "eph/expired"
"""The mark on a commit whose TTL has expired. It belongs to the commit, so a push resets it."""
APPROVED = "eph/approved"
"""The mark on a fork's commit that a person with write access approved; it names the person. It has the pull request's
stack as suffix: another pull request with the same commit, and a push, need a new one."""
MARKS = (EXPIRED, APPROVED)
"""A mark may have a suffix: ``eph/expired/tag-1c3x`` concerns the environment of one tag only."""


@dataclass(frozen=True, slots=True)
class ApiUsage:
    """Requests so far (L4). ``counted`` used the quota, ``free`` did not; -1: not reported."""

    counted: int = 0
    free: int = 0
    remaining: int = -1
    limit: int = -1
    blocked_for: float = 0.0
    """Seconds for which the host asked us to wait."""
    reset: int = 0
    """When the quota resets, in seconds since the epoch; 0: not reported."""


class Forge(Protocol):
    @property
    def words(self) -> ForgeWords:
        """What this Git host calls things."""

    def repositories(self) -> list[Repository]:
        """The repositories that Eph serves, by configuration; raises if none can be determined. A configured name may
        be a pattern, such as ``acme/shop-*``.

        A repository that was known before and can't be read at the moment is still included.
        """

    def problems(self) -> Mapping[str, str]:
        """By configured name, why the last ``repositories()`` could not read a repository."""

    def pulls(self, repository: Repository) -> PullList:
        """All open pull requests, with labels. After a partial failure it returns what was read, not ``complete``; if
        nothing could be read, it raises."""

    def pull(self, repository: Repository, number: int) -> PullRequest:
        """One pull request. ``state`` is GONE only if the repository itself responds, with the same id."""

    def refs(self, repository: Repository, kind: RefKind, patterns: tuple[str, ...]) -> RefList:
        """The branches or tags that match any of the globs (``core.util.globs``), each with its commit, also of an
        annotated tag. After a partial failure it returns what was read, not ``complete``; if nothing could be read, it
        raises."""

    def changed_files(self, repository: Repository, number: int) -> ChangedFiles:
        """The files that the pull request changes against its base, a thousand at most."""

    def prefetch(
        self, commits: Sequence[tuple[Repository, str]], path: str, refresh: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        """Announces what will be read next: the checks, our marks and the file ``path`` at these commits. An adapter
        may read them in one batch. ``refresh``: the commits (repository id, sha) whose checks must be fresh. Never
        raises: what is missing is read one by one later."""

    def file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes:
        """A file at a commit. Raises ForgeNotFound without one, naming the path, and ForgeRefused if it exceeds
        ``limit`` bytes, naming the limit."""

    def note(self, repository: Repository, sha: str, ref: str) -> str:
        """The git note on a commit; empty without one. ``ref`` is where notes are kept, such as ``refs/notes/eph``;
        anyone who may push writes them. Raises ForgeUnsupported if the host doesn't expose notes."""

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        """The checks and commit statuses of a commit, by name, without our own."""

    def decisions(self, repository: Repository, sha: str) -> Mapping[str, str]:
        """Our own marks on a commit (``EXPIRED``, ``APPROVED``) with their descriptions. What others wrote under the
        same names neither counts nor hides ours."""

    def mark(self, repository: Repository, sha: str, mark: str, description: str) -> None:
        """Sets a mark on a commit; an empty description removes it."""

    def may_write(self, repository: Repository, user: str) -> bool:
        """Whether the user may push to the repository."""

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        """Creates or edits our one comment with the hidden ``marker``; doesn't write if it already matches.
        Raises ValueError, before any request, if ``body`` doesn't contain ``marker``: Eph couldn't find it again."""

    def posted_comment(self, repository: Repository, number: int, marker: str) -> PostedComment | None:
        """Our comment with the hidden ``marker``, read from the host; None if there is none."""

    def comments_since(self, repository: Repository, since: datetime, keywords: Collection[str]) -> list[ChatComment]:
        """Comments in the whole repository since then that contain one of the keywords in any case, oldest first. It
        costs one conditional request while there are no new comments. Raises ForgeUnsupported if the host
        has no such list."""

    def react(self, repository: Repository, comment: int, reaction: Reaction) -> None:
        """Adds our reaction to a comment; idempotent. Raises ForgeNotFound if the comment is gone, and
        ForgeUnsupported if the host has no reactions."""

    def add_label(self, repository: Repository, number: int, label: str) -> None:
        """Nothing happens if the pull request has it already."""

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        """Creates or updates our check of that name on a commit."""

    def report_deployment(self, repository: Repository, sha: str, environment: str, report: DeploymentReport) -> None:
        """Creates or updates our deployment of a commit to an environment. An older commit's deployment that is
        still in progress becomes inactive at once; any other, when this one has succeeded, failed or ended.
        ``INACTIVE`` for a commit without a deployment creates none. Raises ForgeUnsupported if the host has no
        deployments."""

    def retire_deployment(self, repository: Repository, environment: str) -> str:
        """Removes every deployment to that environment, and the environment itself if we may. Returns a sentence about
        what had to stay; empty if nothing is left, as on a host without deployments."""

    def remove_label(self, repository: Repository, number: int, label: str) -> None:
        """Nothing happens if the pull request doesn't have it."""

    def clone_url(self, repository: Repository) -> str:
        """Where to fetch commits from: a URL of HTTP, HTTPS or SSH, or a local path. The head commit of every
        pull request can be fetched there, also from a fork. Without a secret, because it ends up in specs and in
        stacks' state."""

    def git_environment(self, repository: Repository) -> Mapping[str, str]:
        """Environment variables that let git authenticate at ``clone_url``. Secret: for the git process only."""

    def usage(self) -> ApiUsage:
        """For the metrics; ``ApiUsage()`` from a host without a quota."""

    def close(self) -> None:
        """Closes its connections. It is not used afterwards."""


def labelled(pulls: Iterable[PullRequest], labels: frozenset[str]) -> list[PullRequest]:
    """The pull requests with any of the labels."""
    return [pull for pull in pulls if pull.labels & labels]


LABEL_REMOVED = "Label taken off: "
LABEL_NOT_OURS = "Label not ours to take off: "
"""How the description of ``EXPIRED`` begins once its trigger label was handled. If the label is there after
``LABEL_REMOVED``, a person added it again."""


def mentions(body: str, keywords: Collection[str]) -> bool:
    """Whether a comment may be for us: it contains one of the keywords, in any case."""
    text = body.lower()
    return any(word.lower() in text for word in keywords)


def expired_mark(stack: str) -> str:
    """The expiry mark of one environment: two pull requests may share a commit, but not a TTL."""
    return f"{EXPIRED}/{stack}"


def approved_mark(stack: str) -> str:
    """The approval of a commit for one pull request: a second one with that commit may have been opened by anyone."""
    return f"{APPROVED}/{stack}"


def is_mark(name: str) -> bool:
    return name in MARKS or name.startswith(tuple(f"{mark}/" for mark in MARKS))

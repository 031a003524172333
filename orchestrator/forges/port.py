"""The Git host in a few verbs. One contract test runs on every adapter (tests/contracts).

Reading is incremental and conditional inside the adapter; what it returns is always whole or says that it isn't.
All methods block and are called from threads; an adapter is safe for use from several at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from orchestrator.core.model.world import CheckState, PullRequest
from orchestrator.forges.wording import ForgeWords
from stacks.model import RefKind


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


class ForgeForbidden(ForgeRefused):
    """What we were given there may not do this, for this repository as a whole."""


class ForgeUnsupported(ForgeRefused):
    """This Git host has no such thing. It stays so: to be said once, and not to be tried again and again."""


class ForgeNotFound(ForgeError):
    """The repository answered, and has no such file or thing."""


@dataclass(frozen=True, slots=True)
class Repository:
    id: int
    full_name: str
    clone_url: str
    default_branch: str
    pushed_at: str = field(default="", compare=False)
    """Changes with every push to it; empty where the host does not tell."""


@dataclass(frozen=True, slots=True)
class PullList:
    """The open pull requests of a repository. Not ``complete``: ``reason`` says what was missing."""

    repository: Repository
    open: tuple[PullRequest, ...]
    complete: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChangedFiles:
    """The paths that a pull request changes, old names of renamed files included; not ``complete`` when there are more
    than anybody wants to read."""

    paths: frozenset[str]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class RefList:
    """Branches or tags by name, each with its commit. Not ``complete``: ``reason`` says why, and absence proves
    nothing."""

    commits: Mapping[str, str]
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


class DeploymentState(StrEnum):
    """Of our deployment of one commit; an older commit's is made ``inactive`` by the Git host's adapter."""

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
    """Of ours to somebody's comment: how far we are with what it asks. All but ``SEEN`` are our last word."""

    SEEN = "eyes"
    DONE = "+1"
    CONFUSED = "confused"
    REFUSED = "-1"


@dataclass(frozen=True, slots=True)
class ChatComment:
    """Somebody's comment on an issue or a pull request. ``by_bot``: a bot's, or our own."""

    id: int
    number: int
    author: str
    body: str
    created: datetime
    by_bot: bool = False
    our_reactions: frozenset[Reaction] = frozenset()
    """Our own reactions; what others think of it does not count."""


EXPIRED = "eph/expired"
"""The mark on a commit whose time ran out. Its home is the Git host, so a new push starts afresh."""
APPROVED = "eph/approved"
"""The mark on a fork's commit that somebody with write access lets run; it says who. A new push is another commit."""
MARKS = (EXPIRED, APPROVED)
"""A mark may go on behind a slash: ``eph/expired/tag-1c3x`` is of one tag's environment alone."""


@dataclass(frozen=True, slots=True)
class ApiUsage:
    """What reading cost so far (L4). ``counted`` took from the quota, ``free`` did not; -1: never told."""

    counted: int = 0
    free: int = 0
    remaining: int = -1
    limit: int = -1
    blocked_for: float = 0.0
    """Seconds that the host asked us to keep away."""
    reset: int = 0
    """When ``remaining`` is ``limit`` again, in seconds since the epoch; 0: never told."""


class Forge(Protocol):
    @property
    def words(self) -> ForgeWords:
        """What this Git host calls things."""

    def repositories(self) -> list[Repository]:
        """The repositories that Eph serves, by configuration; raises when none of them can be told.

        One that was known before and cannot be read just now is still among them.
        """

    def problems(self) -> Mapping[str, str]:
        """By configured name, why a repository could not be read in the last ``repositories()``."""

    def pulls(self, repository: Repository) -> PullList:
        """All open pull requests, with labels. A failure half-way gives what was read, not ``complete``; when
        nothing at all could be read it raises."""

    def pull(self, repository: Repository, number: int) -> PullRequest:
        """That very pull request; ``state`` GONE only when the repository itself answers with the same id."""

    def refs(self, repository: Repository, kind: RefKind, patterns: tuple[str, ...]) -> RefList:
        """The branches or tags that any of the globs matches. A failure half-way gives what was read, not
        ``complete``; when nothing at all could be read it raises."""

    def changed_files(self, repository: Repository, number: int) -> ChangedFiles:
        """What the pull request changes against its base, a thousand files at most."""

    def prefetch(
        self, commits: Sequence[tuple[Repository, str]], path: str, refresh: frozenset[tuple[int, str]] = frozenset()
    ) -> None:
        """What will be asked about next: checks, our marks and the file ``path`` at these commits. A host that can be
        asked about many at once is asked here; ``refresh`` are the commits (repository id, sha) whose checks somebody
        waits for. Never raises: whatever did not come is asked one by one."""

    def file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes:
        """A file at a commit; NotThere when the commit has none; a larger one raises ForgeRefused."""

    def note(self, repository: Repository, sha: str, ref: str) -> str:
        """What a git note on a commit says; empty without one. ``ref`` is where such notes are kept, as
        ``refs/notes/eph``; whoever may push writes them. Unsupported where the host shows none."""

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        """Check runs and commit statuses of a commit, by name, without our own."""

    def decisions(self, repository: Repository, sha: str) -> Mapping[str, str]:
        """Our own marks on a commit (``EXPIRED``, ``APPROVED``) with what they say; what others wrote under the same
        names neither counts nor hides ours."""

    def mark(self, repository: Repository, sha: str, mark: str, description: str) -> None:
        """Puts a mark on a commit; an empty description lifts it."""

    def may_write(self, repository: Repository, user: str) -> bool:
        """Whether a person may push to the repository."""

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        """The one comment of ours that holds the hidden ``marker``: made, or edited when it reads otherwise."""

    def comments_since(self, repository: Repository, since: datetime, keywords: Collection[str]) -> list[ChatComment]:
        """Comments of the whole repository that were made since then and hold one of the words, oldest first, whatever
        the case.
        One conditional request, as long as nobody comments. Unsupported where the host has no such list."""

    def react(self, repository: Repository, comment: int, reaction: Reaction) -> None:
        """Our reaction to a comment; once more is the same. NotThere when the comment is gone."""

    def add_label(self, repository: Repository, number: int, label: str) -> None: ...

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        """Our check run of that name on a commit: made, or brought to this state."""

    def report_deployment(self, repository: Repository, sha: str, environment: str, report: DeploymentReport) -> None:
        """Our deployment of a commit to an environment: made, or brought to this state. What an older commit's says of
        being made is taken back at once, and all it says once this one is made, failed or ending."""

    def retire_deployment(self, repository: Repository, environment: str) -> str:
        """Every deployment to that environment is set inactive and removed, and the environment where we may.
        Gives a sentence about what had to stay; empty when nothing is left."""

    def remove_label(self, repository: Repository, number: int, label: str) -> None: ...

    def clone_url(self, repository: Repository) -> str:
        """Where to fetch commits from; never with a secret in it, for it ends up in specs and states."""

    def git_environment(self, repository: Repository) -> Mapping[str, str]:
        """Variables with which git is let in at ``clone_url``. A secret: for the git process alone."""

    def usage(self) -> ApiUsage: ...

    def close(self) -> None:
        """Ends its connections; nothing is asked of it afterwards."""


def labelled(pulls: Iterable[PullRequest], labels: frozenset[str]) -> list[PullRequest]:
    """Those with any of the labels."""
    return [pull for pull in pulls if pull.labels & labels]


LABEL_REMOVED = "Label taken off: "
LABEL_NOT_OURS = "Label not ours to take off: "
"""How the text of ``EXPIRED`` begins once its trigger label was dealt with: a label that is there after ``LABEL_OFF``
was put on again by a person."""


def mentions(body: str, keywords: Collection[str]) -> bool:
    """Whether a comment may be for us: one of the words is in it, whatever the case."""
    text = body.lower()
    return any(word.lower() in text for word in keywords)


def expired_mark(stack: str) -> str:
    """Of one environment: two pull requests may have one commit, and each has its own time."""
    return f"{EXPIRED}/{stack}"


def is_mark(name: str) -> bool:
    return name in MARKS or name.startswith(tuple(f"{mark}/" for mark in MARKS))


def is_marked(decisions: Mapping[str, str], mark: str = EXPIRED) -> bool:
    return bool(decisions.get(mark))

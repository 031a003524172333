"""A Git host that lies: lists that are empty, halved or fail, pull requests that are said to be gone, writes refused.

What is true stays in the fake underneath; ``mood`` bends what is answered until it is ``honest`` again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator.core.model.world import CheckState
from orchestrator.forges.fake import FakeForge
from orchestrator.forges.port import (
    ChangedFiles,
    CheckReport,
    DeploymentReport,
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    PullList,
    Repository,
)
from orchestrator.forges.pull_requests import PullRequest, PullState
from stacks import keys

HEALTHY = "honest"
MOODS = (
    "down", "limited", "half", "empty", "without_one", "gone", "hidden", "no_files", "no_marks", "no_writes",
    "writes_refused", "no_people", "unlisted",
)  # fmt: skip
_DOWN: Mapping[str, ForgeError] = {
    "down": ForgeUnavailable("502 Bad Gateway"),
    "limited": ForgeUnavailable("429: too many requests", retry_after=20),
}
_FAILING: Mapping[str, tuple[str, ForgeError]] = {
    "file": ("no_files", ForgeUnavailable("500 for a file")),
    "decisions": ("no_marks", ForgeUnavailable("500 for statuses")),
    "may_write": ("no_people", ForgeUnavailable("500 for permissions")),
    "repositories": ("unlisted", ForgeUnavailable("500 for the list of repositories")),
}


class UnreliableForge(FakeForge):
    """``marking`` is told of each mark on a commit before it is written."""

    def __init__(self, before_mark: Callable[[Repository, str, str, str], None]) -> None:
        super().__init__()
        self.mood = HEALTHY
        self._before_mark = before_mark

    def repositories(self) -> list[Repository]:
        self._check_read("repositories")
        found = super().repositories()
        return [one for one in found if self.mood != "hidden" or one.id != min(each.id for each in found)] or found

    def pulls(self, repository: Repository) -> PullList:
        self._check_read("pulls")
        found = super().pulls(repository)
        match self.mood:
            case "half":
                half = found.open[: len(found.open) // 2]
                return replace(found, open=half, complete=False, reason="page 2 is missing")
            case "empty" | "gone":
                return replace(found, open=())
            case "without_one":
                return replace(found, open=found.open[1:])
            case "hidden" if repository.id == 1000:
                raise ForgeRefused("404 for the repository")
            case _:
                return found

    def pull(self, repository: Repository, number: int) -> PullRequest:
        self._check_read("pull")
        if self.mood == "gone":
            return PullRequest(
                keys.pull_request(repository.id, number), PullState.GONE, "", frozenset(), "", "", "", "", ""
            )
        if self.mood == "hidden" and repository.id == 1000:
            raise ForgeRefused("404 for the repository")
        return super().pull(repository, number)

    def file(self, repository: Repository, path: str, ref: str, limit: int) -> bytes:
        self._check_read("file")
        return super().file(repository, path, ref, limit)

    def checks(self, repository: Repository, sha: str) -> Mapping[str, CheckState]:
        self._check_read("checks")
        return super().checks(repository, sha)

    def decisions(self, repository: Repository, sha: str) -> Mapping[str, str]:
        self._check_read("decisions")
        return super().decisions(repository, sha)

    def may_write(self, repository: Repository, user: str) -> bool:
        self._check_read("may_write")
        return super().may_write(repository, user)

    def changed_files(self, repository: Repository, number: int) -> ChangedFiles:
        self._check_read("changed_files")
        return super().changed_files(repository, number)

    def mark(self, repository: Repository, sha: str, mark: str, description: str) -> None:
        self._check_write()
        self._before_mark(repository, sha, mark, description)
        super().mark(repository, sha, mark, description)

    def remove_label(self, repository: Repository, number: int, label: str) -> None:
        self._check_write()
        super().remove_label(repository, number, label)

    def report_deployment(self, repository: Repository, sha: str, environment: str, report: DeploymentReport) -> None:
        self._check_write()
        super().report_deployment(repository, sha, environment, report)

    def retire_deployment(self, repository: Repository, environment: str) -> str:
        self._check_write()
        return super().retire_deployment(repository, environment)

    def upsert_comment(self, repository: Repository, number: int, marker: str, body: str) -> None:
        self._check_write()
        super().upsert_comment(repository, number, marker, body)

    def report_check(self, repository: Repository, sha: str, name: str, report: CheckReport) -> None:
        self._check_write()
        super().report_check(repository, sha, name, report)

    def _check_read(self, verb: str) -> None:
        if self.mood in _DOWN:
            raise _DOWN[self.mood]
        mood, error = _FAILING.get(verb, ("", None))
        if error is not None and self.mood == mood:
            raise error

    def _check_write(self) -> None:
        self._check_read("write")
        if self.mood == "no_writes":
            raise ForgeUnavailable("503 for a write")
        if self.mood == "writes_refused":
            raise ForgeRefused("403 for a write")

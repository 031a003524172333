"""The port of the Git host in memory, for stories and for development. It runs the contract tests, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from orchestrator.core.model.world import CheckState
from orchestrator.core.util import globs
from orchestrator.forges.fake_host import FakeHost
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


class FakeForge(FakeHost):
    """Besides the port's methods it has the verbs of its host."""

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

    def git_environment(self, repository: Repository) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        """There is no connection to close."""

    def usage(self) -> ApiUsage:
        return ApiUsage(counted=self._requests)

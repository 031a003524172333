"""What people and CI do on a Git host, as the contract tests need it, and the fake's host. ``forge_harnesses`` lists
all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

import pytest

from orchestrator.core.model.world import CheckState
from orchestrator.forges import registry
from orchestrator.forges.fake import FakeForge
from orchestrator.forges.port import CheckReport, Forge, Repository
from orchestrator.forges.registry import ConnectionContext

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY_NAME = "ada/shop"
FILES = {"README.md": "# Shop\n", "eph.yaml": "version: 1\n"}
CONCLUSIONS = {CheckState.PASSED: "success", CheckState.FAILED: "failure", CheckState.PENDING: None}


Feature = Literal[
    "changed files",
    "comments",
    "deployments",
    "etags",
    "forks",
    "git notes",
    "pushes",
    "reactions",
    "rename",
    "statuses",
    "strangers",
]
"""Features that a Git host, or the server that replaces it, may lack. ``pushes``: to the branch of an open pull
request; ``comments``: listed for a whole repository; ``etags``: free requests; ``forks``: pull requests from them;
``rename``: the old name still leads to the repository; ``statuses``: a second kind of check, as commit statuses are;
``strangers``: content by people other than Eph."""


class Host(Protocol):
    """A host with one repository, ``REPOSITORY_NAME``, that contains ``FILES`` and is owned by ada.

    ``writer`` can push to it, ``stranger`` can't. ``unsupported``: the missing features, each with the reason that a
    skipped test shows. A method that only serves such a feature is never called, so it may raise NotImplementedError.
    Any host takes comments by ``writer``, whether or not it lists them.
    """

    unsupported: Mapping[Feature, str]
    writer: str
    stranger: str

    def client(self) -> Forge:
        """A new connection by the adapter under test, with an empty cache. ``Clients`` creates and closes them."""

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        """Adds a commit with these files to the branch and returns its hash. A new branch starts at ``main``."""

    def tag(self, name: str, sha: str, message: str = "") -> None:
        """An annotated tag if there is a message."""

    def note(self, sha: str, text: str, ref: str = "refs/notes/eph") -> None: ...
    def delete_ref(self, name: str) -> None:
        """By its name without ``refs/``: ``heads/one`` or ``tags/v1.0``."""

    def open_pull(self, branch: str) -> int:
        """By ada, to ``main``. Returns its number."""

    def open_from_fork(self, branch: str) -> int:
        """By mallory, from a branch of mallory's fork."""

    def label(self, number: int, label: str) -> None: ...
    def close(self, number: int) -> None: ...
    def reopen(self, number: int) -> None: ...
    def merge(self, number: int) -> None: ...
    def comments(self, number: int) -> list[str]:
        """The texts of our own comments."""

    def comment_as_stranger(self, number: int, body: str) -> None: ...
    def set_check(self, sha: str, name: str, state: CheckState) -> None: ...
    def set_status(self, sha: str, name: str, state: CheckState) -> None: ...
    def reports(self, sha: str) -> Mapping[str, str]:
        """Our checks by name: the conclusion, or the status."""

    def comment_as_writer(self, number: int, body: str) -> int:
        """Adds a comment by ``writer`` and returns its ID."""

    def edit_comment(self, comment: int, body: str) -> None: ...
    def react_as_other(self, comment: int) -> None:
        """Adds someone else's reaction."""

    def reactions(self, comment: int) -> set[str]:
        """Our reactions."""

    def deployments(self, environment: str) -> Mapping[str, str]:
        """The state of our deployments, by commit."""

    def environments(self) -> list[str]: ...
    def grant_admin(self) -> None:
        """From now on we have admin permission."""

    def rename(self, to: str) -> None: ...
    def delete_repository(self) -> None:
        """Or make it inaccessible to us."""


class Clients:
    """Connections of an installed adapter, without any cache. All are closed together."""

    def __init__(self, adapter: str) -> None:
        self._adapter = registry.get(adapter)
        self._open: list[Forge] = []

    def connect(self, **table: object) -> Forge:
        """With that table ``[forge]``."""
        settings = self._adapter.settings_model.model_validate(table)
        self._open.append(self._adapter.connect(settings, ConnectionContext(poll_seconds=30.0)))
        return self._open[-1]

    def close(self) -> None:
        for client in self._open:
            client.close()


def repository(host: Host) -> tuple[Forge, Repository]:
    forge = host.client()
    return forge, forge.repositories()[0]


class FakeHost:
    unsupported: Mapping[Feature, str] = {
        "strangers": "the fake holds only what we wrote",
        "etags": "the fake has no transport",
    }
    writer, stranger = "grace", "mallory"

    def __init__(self) -> None:
        self.fake = FakeForge()
        self.home = self.fake.create_repository(REPOSITORY_NAME, FILES)
        self.fake.grant_write(self.home, "grace")

    def client(self) -> Forge:
        return self.fake

    def push(self, branch: str, files: Mapping[str, str]) -> str:
        return self.fake.push(self.home, branch, files)

    def tag(self, name: str, sha: str, message: str = "") -> None:
        self.fake.tag(self.home, name, sha)

    def note(self, sha: str, text: str, ref: str = "refs/notes/eph") -> None:
        self.fake.write_note(self.home, sha, text, ref)

    def delete_ref(self, name: str) -> None:
        kind, _, name = name.partition("/")
        (self.fake.delete_tag if kind == "tags" else self.fake.delete_branch)(self.home, name)

    def open_pull(self, branch: str) -> int:
        return self.fake.open_pull(self.home, branch)

    def open_from_fork(self, branch: str) -> int:
        self.fake.push(self.home, branch, {"message.txt": "theirs"})
        return self.fake.open_pull(self.home, branch, by="mallory", from_fork=True)

    def label(self, number: int, label: str) -> None:
        self.fake.label(self.home, number, label)

    def close(self, number: int) -> None:
        self.fake.close_pull(self.home, number)

    def reopen(self, number: int) -> None:
        self.fake.reopen(self.home, number)

    def merge(self, number: int) -> None:
        self.fake.merge(self.home, number)

    def comments(self, number: int) -> list[str]:
        return self.fake.comments(self.home, number)

    def comment_as_stranger(self, number: int, body: str) -> None:
        raise NotImplementedError

    def set_check(self, sha: str, name: str, state: CheckState) -> None:
        self.fake.set_check(self.home, sha, name, state)

    set_status = set_check

    def reports(self, sha: str) -> Mapping[str, str]:
        found: Mapping[str, CheckReport] = self.fake.reports(self.home, sha)
        return {name: report.conclusion.value for name, report in found.items()}

    def comment_as_writer(self, number: int, body: str) -> int:
        return self.fake.add_comment(self.home, number, body, datetime.now(UTC), self.writer)

    def edit_comment(self, comment: int, body: str) -> None:
        self.fake.edit_comment(self.home, comment, body)

    def react_as_other(self, comment: int) -> None:
        pass

    def reactions(self, comment: int) -> set[str]:
        return {reaction.value for reaction in self.fake.reactions(self.home, comment)}

    def deployments(self, environment: str) -> Mapping[str, str]:
        found = self.fake.deployments(self.home).get(environment, {})
        return {sha: report.state.value for sha, report in found.items()}

    def environments(self) -> list[str]:
        return list(self.fake.deployments(self.home))

    def grant_admin(self) -> None:
        pass

    def rename(self, to: str) -> None:
        self.fake.rename(self.home, to)

    def delete_repository(self) -> None:
        self.fake.hide(self.home)


def require_support(host: Host, *features: Feature) -> None:
    """Skips a test if the host lacks one of the features that it needs."""
    for thing in features:
        if thing in host.unsupported:
            pytest.skip(host.unsupported[thing])

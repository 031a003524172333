"""The part of the service that creates environments: label deploys, and those of pull requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.core.views.versions import Version
from stacks.model import StackRef


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """Deploy a branch or tag (``ref``), a version that was built (``version``) or an uploaded commit (``upload``) under
    a label.

    An empty ``repository`` selects the only one. ``ttl`` None: the server's default.
    """

    label: str
    repository: str = ""
    ref: str = ""
    version: str = ""
    ttl: timedelta | None = None
    upload: str = ""
    max_deploys: int = 0
    """Refuse it if the caller has this many live label deploys besides; 0 means no limit."""


@dataclass(frozen=True, slots=True)
class UploadedCommit:
    """A commit of a working copy, ready to be deployed by the person who uploaded it."""

    commit: str
    repository: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class DeployStatus:
    """How a label deploy is going. ``state``: pending, deployed, failed or replaced. ``url`` is set once it is
    deployed. ``replaces``: the commit that is live under this label until then."""

    id: str
    state: str
    error: str
    label: str
    repository: str
    ref: StackRef
    host: str
    url: str
    commit: str
    expires_at: datetime
    by: str
    progress: str = ""
    replaces: str = ""
    output: tuple[str, ...] = ()
    """The last lines of a failed build."""


@dataclass(frozen=True, slots=True)
class RequestedPullRequest:
    """``label`` is the trigger label that requests its environment. ``added``: it was missing."""

    repository: str
    number: int
    label: str
    added: bool


class DeploysCommits(Protocol):
    async def create_for_pull_request(self, repository: str, number: int, by: str) -> RequestedPullRequest:
        """Add the trigger label if it is missing, and retry an existing environment, as ``/eph up`` does. Raises
        RequestRefused or TemporarilyUnavailable."""

    async def deploy(self, request: DeployRequest, by: str) -> DeployStatus:
        """Deploy under a label. Raises RequestRefused or TemporarilyUnavailable, and then nothing changes."""

    async def upload(self, repository: str, body: AsyncIterator[bytes], by: str) -> UploadedCommit:
        """Receive a bundle with one commit of a working copy. Raises RequestRefused or TemporarilyUnavailable, and then
        nothing of it is left."""

    def deploy_status(self, deploy: str) -> DeployStatus:
        """How that deploy is going. Raises DeployNotFound."""

    async def versions(self, repository: str) -> list[Version]:
        """The versions of an app, or of all apps if ``repository`` is empty. If the event log is unavailable, it isn't
        known who deployed the replaced ones."""

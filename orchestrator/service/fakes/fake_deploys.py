"""Deploys by label, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.service.deploys import wording as deploy_wording
from orchestrator.service.deploys.deploy_port import (
    DeployRequest,
    DeployStatus,
    RequestedPullRequest,
    UploadedCommit,
)
from orchestrator.service.fakes.fake_environments import START, FakeEnvironments
from orchestrator.service.port import DeployNotFound, RefusalReason, RequestRefused
from stacks.model import StackRef


class FakeDeploys(FakeEnvironments):
    def __init__(self, *views: EnvironmentView, clock: Callable[[], datetime] = lambda: START) -> None:
        super().__init__(*views, clock=clock)
        self.deploys: dict[str, DeployStatus] = {}
        self.uploaded = b""
        """The last uploaded bundle."""
        self.deploy_error = ""
        """If set, every deploy ends with it."""
        self.deploy_error_state = "failed"
        self.deploy_output: tuple[str, ...] = ()
        self.deploy_url = ""
        """The URL of a finished deploy, if it isn't the label's below the shop."""

    async def deploy(self, request: DeployRequest, by: str) -> DeployStatus:
        """Every deploy is pending when it is requested, and deployed when it is read."""
        if request.ttl is not None and request.ttl <= timedelta(0):
            raise RequestRefused(RefusalReason.INVALID_TTL, deploy_wording.invalid_ttl(request.ttl, timedelta(days=7)))
        if request.max_deploys and len(self.deploys) >= request.max_deploys:
            raise RequestRefused(
                RefusalReason.TOO_MANY_DEPLOYS, deploy_wording.too_many_deploys(by, request.max_deploys)
            )
        self.calls.append(("deploy", request.label, by))
        made = DeployStatus(
            id=f"deploy-{len(self.deploys) + 1}",
            state="pending",
            error="",
            label=request.label,
            repository=request.repository or "demo/shop",
            ref=StackRef("eph-shop-9ix", f"deploy-{request.label}"),
            host=f"{request.label}.shop.localhost",
            url="",
            commit=request.version or request.upload or "ab" * 20,
            expires_at=self.clock() + (request.ttl or timedelta(hours=24)),
            by=by,
        )
        self.deploys[made.id] = made
        return made

    async def create_for_pull_request(self, repository: str, number: int, by: str) -> RequestedPullRequest:
        self.calls.append(("create", f"{repository}#{number}", by))
        return RequestedPullRequest(repository or "demo/shop", number, "preview", added=True)

    async def upload(self, repository: str, body: AsyncIterator[bytes], by: str) -> UploadedCommit:
        self.uploaded = b"".join([chunk async for chunk in body])
        self.calls.append(("upload", repository, by))
        return UploadedCommit("cd" * 20, repository or "demo/shop", 1, len(self.uploaded))

    def deploy_status(self, deploy: str) -> DeployStatus:
        if deploy not in self.deploys:
            raise DeployNotFound(deploy_wording.deploy_not_found(deploy))
        found = self.deploys[deploy]
        if self.deploy_error:
            return replace(found, state=self.deploy_error_state, error=self.deploy_error, output=self.deploy_output)
        return replace(found, state="deployed", url=self.deploy_url or f"http://{found.host}:8080")

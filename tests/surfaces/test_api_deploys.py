"""Deploys and uploads through the API, with a real server and a service in memory (M1)."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from orchestrator.auth.identities import Caller, Role
from orchestrator.service.deploys.deploy_port import DeployRequest
from orchestrator.service.fake import FakeEnvironmentService
from orchestrator.service.port import DeployNotFound, RequestRefused
from orchestrator.service.scoped_service import for_caller


def test_a_deploy_is_requested_and_followed(admin: httpx.Client, desk: FakeEnvironmentService) -> None:  # M1
    body = {"label": "feat-x", "ref": "feat", "ttl_seconds": 3600}
    answer = admin.post("/api/v1/deploys", json=body)
    assert (answer.status_code, answer.json()["state"], answer.json()["url"]) == (202, "pending", "")
    assert desk.calls == [("deploy", "feat-x", "admin-name")]
    found = admin.get(f"/api/v1/deploys/{answer.json()['id']}").json()
    assert (found["state"], found["url"]) == ("deployed", "http://feat-x.shop.localhost:8080")
    unknown = admin.get("/api/v1/deploys/lost")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("ttl", [0, -1, 1e12, "1h"])
def test_a_ttl_of_zero_or_below_is_refused(admin: httpx.Client, desk: FakeEnvironmentService, ttl: object) -> None:
    """M1: before the service sees it."""
    answer = admin.post("/api/v1/deploys", json={"label": "feat-x", "ref": "feat", "ttl_seconds": ttl})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    assert desk.calls == []


def test_an_upload_is_received_and_deployed(admin: httpx.Client, desk: FakeEnvironmentService) -> None:  # M1
    body = b"x" * 100_000  # more than any other request may have
    answer = admin.post("/api/v1/deploys/uploads", params={"repository": "demo/shop"}, content=body)
    assert (answer.status_code, answer.json()["size"], desk.uploaded) == (201, len(body), body)
    deploy = admin.post("/api/v1/deploys", json={"label": "feat-x", "upload": answer.json()["commit"]})
    assert deploy.json()["commit"] == answer.json()["commit"]


@pytest.mark.parametrize("overrides", [{"upload_limit": 1_000_000}])
@pytest.mark.parametrize("declared", [True, False])
def test_an_upload_over_the_limit_is_refused(admin: httpx.Client, desk: FakeEnvironmentService, declared: bool) -> None:
    """M1: by its declared size at once, otherwise when it exceeds the limit."""
    body = b"x" * 3_000_000
    content = body if declared else (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    answer = admin.post("/api/v1/deploys/uploads", content=content)
    assert answer.status_code == 413
    assert ".ephignore" in answer.json()["error"]["hint"]
    assert (desk.uploaded, desk.calls) == (b"", [])


@pytest.mark.parametrize("role", ["viewer", "nobody"])
def test_only_developers_upload(
    as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService, role: str
) -> None:
    """M1, S1: before anything of the body is kept."""
    answer = as_role(role).post("/api/v1/deploys/uploads", content=b"x" * 100_000)
    assert answer.status_code in (401, 403)
    assert (desk.uploaded, desk.calls) == (b"", [])


async def test_a_restricted_caller_deploys_only_its_own_repositories(desk: FakeEnvironmentService) -> None:  # M1
    service = for_caller(desk, Caller("ci", Role.DEVELOPER, ("demo/*",)))
    made = await service.deploy(DeployRequest("feat-x", "demo/shop", ref="feat"), "ci")
    assert service.deploy_status(made.id).state == "deployed"
    other = await desk.deploy(DeployRequest("feat-x", "acme/pay", ref="feat"), "ada")
    with pytest.raises(DeployNotFound):
        service.deploy_status(other.id)
    for repository in ("", "acme/pay"):
        with pytest.raises(RequestRefused, match="repository"):
            await service.deploy(DeployRequest("feat-x", repository, ref="feat"), "ci")

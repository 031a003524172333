"""Label deploys over HTTP: environments without a pull request (M1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from orchestrator.core.views.versions import VersionKind
from orchestrator.service.deploys.deploy_port import DeployRequest
from orchestrator.service.port import EnvironmentService
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces.api.role_dependencies import Developer, Viewer
from orchestrator.surfaces.api.schemas import deploy_schemas

BUNDLE = {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
DeployId = Annotated[str, Path(max_length=100)]


def router(environment_service: EnvironmentService) -> APIRouter:
    routes = APIRouter(prefix="/deploys", tags=["deploys"])

    @routes.post("", status_code=202)
    async def deploy(body: deploy_schemas.DeployBody, caller: Developer) -> deploy_schemas.DeployItem:
        """Deploys a commit under a label. The active version isn't touched. Poll the result until it isn't pending."""
        ttl = None if body.ttl_seconds is None else timedelta(seconds=body.ttl_seconds)
        request = DeployRequest(
            body.label, body.repository, body.ref, body.version, ttl, body.upload, caller.max_deploys
        )
        return deploy_schemas.DeployItem.model_validate(
            await for_caller(environment_service, caller).deploy(request, caller.name)
        )

    @routes.post("/uploads", status_code=201, openapi_extra={"requestBody": BUNDLE})
    async def upload(
        request: Request, caller: Developer, repository: Annotated[str, Query(max_length=200)] = ""
    ) -> deploy_schemas.UploadItem:
        """Receives a working copy as a git bundle: one commit without history, under the ref refs/eph/working-copy.
        Deploy it with the commit in the result. The server limits its size (deploys.upload_mb)."""
        service = for_caller(environment_service, caller)
        return deploy_schemas.UploadItem.model_validate(await service.upload(repository, request.stream(), caller.name))

    @routes.get("/{deploy_id}")
    async def get_deploy(deploy_id: DeployId, caller: Viewer) -> deploy_schemas.DeployItem:
        """How a deploy is going. Its result is kept for an hour; the environment has its own path."""
        return deploy_schemas.DeployItem.model_validate(
            for_caller(environment_service, caller).deploy_status(deploy_id)
        )

    return routes


def versions_router(environment_service: EnvironmentService) -> APIRouter:
    routes = APIRouter(prefix="/versions", tags=["deploys"])

    @routes.get("")
    async def list_versions(
        caller: Viewer,
        repository: Annotated[str, Query(max_length=200)] = "",
        ephemeral: bool = False,
    ) -> deploy_schemas.VersionList:
        """The versions of all apps, or of one repository. ``ephemeral``: only label deploys."""
        found = await for_caller(environment_service, caller).versions(repository)
        kept = [version for version in found if version.kind is VersionKind.EPHEMERAL or not ephemeral]
        return deploy_schemas.VersionList(
            items=[deploy_schemas.VersionItem.model_validate(version) for version in kept]
        )

    return routes

"""Build caches over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.service.port import EnvironmentService
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.role_dependencies import Admin
from orchestrator.surfaces.api.schemas import environment_schemas as schemas


def router(environment_service: EnvironmentService) -> APIRouter:
    routes = APIRouter(tags=["caches"])

    @routes.get("/build-caches")
    async def list_build_caches(_: Admin) -> schemas.BuildCacheList:
        """The build caches of all repositories on this server's machine."""
        return schemas.BuildCacheList.model_validate({"items": await environment_service.build_caches()})

    @routes.delete("/build-caches")
    async def clear_build_caches(
        caller: Admin,
        repository: Annotated[str, Query(max_length=300)] = "",
        everything: Annotated[bool, Query(alias="all")] = False,
    ) -> schemas.BuildCacheList:
        """Removes those of one repository (its name or ID), or all, and returns them. Running environments aren't
        affected."""
        if bool(repository) == everything:
            raise ApiError(422, wording.api.CACHES_TO_CLEAR, wording.api.NAME_REPOSITORY_OR_ALL)
        cleared = await environment_service.clear_build_caches(repository, caller.name)
        return schemas.BuildCacheList.model_validate({"items": cleared})

    return routes

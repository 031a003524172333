"""Screenshots of test suites over HTTP, for the API and for the dashboard's pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from orchestrator.service.output.screenshots import ShowsScreenshots
from orchestrator.service.port import EnvironmentService
from orchestrator.service.scoped_service import for_caller
from orchestrator.surfaces import wording
from orchestrator.surfaces.api.api_errors import ApiError
from orchestrator.surfaces.api.role_dependencies import Viewer
from orchestrator.surfaces.api.schemas import runtime_schemas

Name = Annotated[str, Path(max_length=300)]
Suite = Annotated[str, Path(max_length=63)]
File = Annotated[str, Path(max_length=20)]
HEADERS = {
    # A picture that a browser takes for a page could do nothing: not even with what it contains itself.
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Its address stays the same when the suite runs again.
    "Cache-Control": "private, no-cache",
}


def add_routes(routes: APIRouter, environment_service: EnvironmentService) -> None:
    @routes.get("/{name:path}/suites/{suite}/screenshots")
    async def list_screenshots(name: Name, suite: Suite, caller: Viewer) -> runtime_schemas.ScreenshotList:
        """The screenshots of a test suite's run on the live commit."""
        found = await for_caller(environment_service, caller).screenshots(name, suite)
        return runtime_schemas.ScreenshotList.model_validate(found)

    @routes.get("/{name:path}/suites/{suite}/screenshots/{file}", response_class=Response)
    async def get_screenshot(name: Name, suite: Suite, file: File, caller: Viewer) -> Response:
        """One of them, as PNG or JPEG."""
        return await picture(for_caller(environment_service, caller), name, suite, file)


async def picture(service: ShowsScreenshots, name: str, suite: str, file: str) -> Response:
    """Raises ApiError. Its type is that of its content, never a page or SVG."""
    found = await service.screenshot(name, suite, file)
    if found is None:
        raise ApiError(404, wording.api.no_such_screenshot(suite, file), wording.api.LIST_SCREENSHOTS)
    disposition = {"Content-Disposition": f'inline; filename="{suite}-{file}"'}
    return Response(found.data, media_type=found.media_type, headers={**HEADERS, **disposition})

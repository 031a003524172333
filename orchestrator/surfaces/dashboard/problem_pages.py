"""The form that the bar of a preview leads to: it reports a problem on the pull request.

The path comes from a link on a preview's page, so it is only a suggestion, which the person sees and can change.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from orchestrator.auth.identities import Role
from orchestrator.service.changes.problem_reports import MAX_PATH, MAX_TEXT
from orchestrator.service.port import ProblemReport, RequestRefused
from orchestrator.surfaces.dashboard.forms import Form, read_form
from orchestrator.surfaces.dashboard.pages import DashboardPages

REPORT_PATH = "/report"


def add_routes(routes: APIRouter, pages: DashboardPages) -> None:
    def page(request: Request, form: Form, code: int = 200, *, done: str = "", refusal: str = "") -> Response:
        view = pages.service(request).environment(form.get("environment", ""))
        limits = {"max_path": MAX_PATH, "max_text": MAX_TEXT}
        values = {"path": form.get("path", "/")[:MAX_PATH], "text": form.get("text", "")}
        return pages.html("report.html", request, code, view=view, **values, **limits, done=done, refusal=refusal)

    @routes.get(REPORT_PATH)
    async def show(
        request: Request,
        environment: Annotated[str, Query(max_length=300)],
        path: Annotated[str, Query(max_length=3 * MAX_PATH)] = "/",
    ) -> Response:
        form = {"environment": environment, "path": path}
        if (await pages.authenticator.caller(request)).role is None:
            return pages.sign_in(request, to=f"{REPORT_PATH}?{urlencode(form)}")
        await pages.authenticator.require(request, Role.DEVELOPER)
        return page(request, form)

    @routes.post(REPORT_PATH)
    async def post(request: Request) -> Response:
        actor = (await pages.require_developer(request)).name
        form = await read_form(request)
        report = ProblemReport(form.get("path", "/"), form.get("text", "").replace("\r\n", "\n"))
        try:
            url = await pages.service(request).report_problem(form.get("environment", ""), report, actor)
        except RequestRefused as error:
            return page(request, form, 409, refusal=str(error))
        return page(request, {**form, "text": ""}, done=url)

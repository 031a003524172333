"""The dashboard's page about an app. Rows: M6 (versions), P6, S1 (scoped tokens)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from orchestrator.auth.fake import MemoryTokens
from orchestrator.auth.identities import Caller, Role
from orchestrator.auth.token_service import TokenRequest, TokenService
from orchestrator.core.views.phases import Phase
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.service.fake import START, FakeEnvironmentService
from orchestrator.surfaces.api.app import create_app
from tests.surfaces.api_server import api_settings, serve
from tests.surfaces.app_versions import ACTIVE, EPHEMERAL, REPLACED, app_views

PAGE = "/apps/demo/shop"
NASTY = "<script>alert(1)</script>"


def put_app(desk: FakeEnvironmentService, repository: str = "demo/shop") -> None:
    for view in app_views(repository):
        desk.put_environment(view)


def rows(page: str) -> list[list[str]]:
    """The cells' texts, of each row."""
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [[_text(cell) for cell in re.findall(r"<td>(.*?)</td>", row, re.S)] for row in body.split("<tr>")[1:]]


def _text(cell: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", cell)).split())


def test_it_lists_the_active_the_ephemeral_and_the_replaced_version(
    admin: httpx.Client, desk: FakeEnvironmentService
) -> None:
    put_app(desk)
    page = admin.get(PAGE)
    active, ephemeral, replaced = rows(page.text)
    assert page.status_code == 200
    assert active[:3] == ["active http://shop.localhost:8080", Phase.READY, ACTIVE[:7]]
    assert ephemeral[:3] == ["feat-x http://feat-x.shop.localhost:8080", Phase.ASLEEP, EPHEMERAL[:7]]
    assert replaced[:3] == ["replaced feat-x", "", REPLACED[:7]]
    assert [row[3] for row in (active, ephemeral, replaced)] == ["3 h ago", "60 min ago", "2 h ago"]
    assert [row[4] for row in (active, ephemeral, replaced)] == ["–", "in 5 h", "–"]
    assert [row[5] for row in (active, ephemeral)] == ["ada", "bob"]


def test_each_version_links_to_its_environment_and_each_url_is_there_once(
    admin: httpx.Client, desk: FakeEnvironmentService
) -> None:
    """M2"""
    put_app(desk)
    text = admin.get(PAGE).text
    for stack in ("branch-main", "deploy-feat-x"):
        link = re.search(rf'href="(/e/[^"]*{stack})"', text)
        assert link is not None
        assert admin.get(link[1]).status_code == 200
    for host in ("shop.localhost", "feat-x.shop.localhost"):
        assert text.count(f'href="http://{host}:8080"') == text.count(f">http://{host}:8080<") == 1


def test_the_repositorys_name_is_found_in_any_case_and_shown_as_it_is(
    admin: httpx.Client, desk: FakeEnvironmentService
) -> None:
    put_app(desk)
    assert "<h1>demo/shop</h1>" in admin.get("/apps/Demo/SHOP").text


@pytest.mark.parametrize("path", [PAGE, "/apps/demo/unknown", "/apps/", "/apps/%3Cscript%3E"])
def test_without_versions_there_is_no_page(admin: httpx.Client, path: str) -> None:
    """Environments of pull requests aren't versions of the app."""
    page = admin.get(path)
    assert page.status_code == 404
    assert "<script>" not in page.text


def test_the_name_of_a_repository_is_required(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    put_app(desk)
    put_app(desk, "demo/api")
    assert admin.get("/apps/").status_code == 404


def test_what_people_wrote_is_escaped(admin: httpx.Client, desk: FakeEnvironmentService) -> None:
    """S3"""
    for view in app_views():
        desk.put_environment(replace(view, author=NASTY, url="javascript:alert(1)"))
    text = admin.get(PAGE).text
    assert (NASTY in text, "javascript:" in text) == (False, False)


def test_people_without_a_session_sign_in_first(
    as_role: Callable[[str], httpx.Client], desk: FakeEnvironmentService
) -> None:
    put_app(desk)
    text = as_role("nobody").get(PAGE).text
    assert ('type="password"' in text, "feat-x" in text) == (True, False)
    assert as_role("viewer").get(PAGE).status_code == 200


@pytest.fixture
def restricted(desk: FakeEnvironmentService) -> Iterator[httpx.Client]:
    """With a token for the repository demo/api only."""
    tokens = TokenService(MemoryTokens(), MemoryLedger().record, lambda: START)
    request = TokenRequest(Role.VIEWER, timedelta(days=1), repositories=("demo/api",))
    headers = {"Authorization": f"Bearer {tokens.create(request, Caller('ada', Role.ADMIN, person='ada')).secret}"}
    with (
        serve(create_app(desk, api_settings(token_service=tokens))) as url,
        httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client,
    ):
        yield client


def test_a_token_of_other_repositories_finds_no_page(restricted: httpx.Client, desk: FakeEnvironmentService) -> None:
    """S1: the answer is that for a repository that doesn't exist."""
    put_app(desk)
    put_app(desk, "demo/api")
    theirs, unknown = restricted.get(PAGE), restricted.get("/apps/demo/unknown")
    assert theirs.status_code == unknown.status_code == 404
    assert theirs.text.replace("demo/shop", "demo/unknown") == unknown.text
    assert [row[2] for row in rows(restricted.get("/apps/demo/api").text)] == [ACTIVE[:7], EPHEMERAL[:7], REPLACED[:7]]

"""Share links open one protected preview without an account: the service with each store, and a visitor's way through a
real dashboard and a real gateway. Rows: P12, S5."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from typer.testing import CliRunner, Result

from orchestrator.auth import preview_grants
from orchestrator.auth.identities import Caller, Role
from orchestrator.auth.sharing import published_links
from orchestrator.auth.sharing.fake import MemoryShareLinks
from orchestrator.auth.sharing.share_link_service import (
    WRONG_PASSWORDS,
    ShareLinkService,
    ShareRefusal,
    ShareRefused,
    ShareRequest,
)
from orchestrator.auth.sharing.share_link_store import ShareLinkStore, ShareLinksUnavailable
from orchestrator.auth.sharing.share_links import ShareLink
from orchestrator.auth.sharing.sql_share_links import SqlShareLinks
from orchestrator.cli.main import app as eph_app
from orchestrator.config import file_names
from orchestrator.demo.free_ports import free_port
from orchestrator.ledger.fake import MemoryLedger
from orchestrator.service.fake import FakeEnvironmentService, sample
from orchestrator.surfaces.api.api_settings import PreviewAccess
from orchestrator.surfaces.api.app import create_app
from tests.auth.conftest import PREVIEW_KEY
from tests.auth.identity_provider import LoopbackTransport
from tests.auth.preview_gateway import Previews, serving_previews
from tests.ledger.postgres_server import PostgresServer
from tests.surfaces.api_server import TOKENS, api_settings, serve

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ADA = Caller("ada", Role.DEVELOPER, person="ada")
SCOPED = Caller("hal", Role.ADMIN, ("acme/*",), person="hal")
PASSWORD = "correct horse"
REQUEST = ShareRequest("eph-shop-1/pr-42", "shop-42", "shop-42.localhost", "demo/shop")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ShareLinkStore]:
    made: ShareLinkStore = MemoryShareLinks()
    if request.param == "sqlite":
        made = SqlShareLinks(f"sqlite:///{tmp_path}/ledger.db")
    elif request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("shared_postgres")
        made = SqlShareLinks(server.url(server.create_database()))
    yield made
    made.close()


@dataclass(slots=True)
class Shares:
    """A service whose clock a test moves."""

    service: ShareLinkService
    ledger: MemoryLedger
    published: list[list[str]]
    now: datetime = NOW

    def refusal(self, act: Callable[[], object]) -> ShareRefusal:
        with pytest.raises(ShareRefused) as caught:
            act()
        return caught.value.reason

    def events(self) -> list[tuple[str, str, str]]:
        return [(event.kind, event.subject, event.actor) for event in self.ledger.events()]


def open_shares(store: ShareLinkStore) -> Shares:
    ledger, published = MemoryLedger(), list[list[str]]()
    service = ShareLinkService(
        store, ledger.record, lambda links: published.append([link.id for link in links]), lambda: opened.now
    )
    opened = Shares(service, ledger, published)
    return opened


@pytest.fixture
def shares(store: ShareLinkStore) -> Shares:
    return open_shares(store)


class TestService:
    def test_link_opens_until_it_expires(self, shares: Shares) -> None:
        issued = shares.service.create(REQUEST, ADA)
        assert shares.service.open(issued.secret) == issued.link
        shares.now = NOW + DAY
        assert shares.refusal(lambda: shares.service.open(issued.secret)) is ShareRefusal.UNKNOWN_LINK
        assert shares.service.visible_to(ADA) == []
        assert shares.events() == [
            ("share.created", REQUEST.environment, "ada"),
            ("share.opened", REQUEST.environment, f"share link {issued.link.id}"),
        ]

    def test_revoked_link_is_closed_and_no_longer_published(self, shares: Shares) -> None:
        issued, other = shares.service.create(REQUEST, ADA), shares.service.create(REQUEST, ADA)
        shares.service.revoke(issued.link.id, ADA)
        assert shares.published[-1] == [other.link.id]
        assert shares.refusal(lambda: shares.service.open(issued.secret)) is ShareRefusal.UNKNOWN_LINK
        assert shares.refusal(lambda: shares.service.revoke(issued.link.id, ADA)) is ShareRefusal.UNKNOWN_LINK
        assert shares.events()[-1] == ("share.revoked", REQUEST.environment, "ada")

    def test_links_of_other_repositories_are_unknown(self, shares: Shares) -> None:
        issued = shares.service.create(REQUEST, ADA)
        assert shares.service.visible_to(SCOPED) == []
        assert shares.refusal(lambda: shares.service.revoke(issued.link.id, SCOPED)) is ShareRefusal.UNKNOWN_LINK
        assert shares.service.visible_to(ADA, "eph-shop-1/pr-43") == []
        assert shares.service.visible_to(ADA, REQUEST.environment) == [issued.link]

    def test_password_is_required_and_guesses_are_limited(self, shares: Shares) -> None:
        issued = shares.service.create(replace(REQUEST, password=PASSWORD), ADA)
        assert shares.service.open(issued.secret, PASSWORD) == issued.link
        for _ in range(WRONG_PASSWORDS):
            assert shares.refusal(lambda: shares.service.open(issued.secret)) is ShareRefusal.WRONG_PASSWORD
        blocked = shares.refusal(lambda: shares.service.open(issued.secret, PASSWORD))
        assert blocked is ShareRefusal.TOO_MANY_WRONG_PASSWORDS
        shares.now = NOW + timedelta(minutes=10)
        assert shares.service.open(issued.secret, PASSWORD) == issued.link

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"lifetime": timedelta(0)}, ShareRefusal.INVALID_LIFETIME),
            ({"lifetime": timedelta(days=31)}, ShareRefusal.INVALID_LIFETIME),
            ({"password": "short"}, ShareRefusal.INVALID_PASSWORD),
            ({"password": "x" * 201}, ShareRefusal.INVALID_PASSWORD),
            ({"host": ""}, ShareRefusal.NO_HOST),
        ],
    )
    def test_bad_requests(self, change: dict[str, Any], reason: ShareRefusal) -> None:
        shares = open_shares(MemoryShareLinks())
        request = replace(REQUEST, **change)
        assert shares.refusal(lambda: shares.service.create(request, ADA)) is reason
        assert shares.service.visible_to(ADA) == []

    def test_link_ends_with_the_token_that_created_it(self) -> None:
        shares = open_shares(MemoryShareLinks())
        caller = replace(ADA, expires_at=NOW + timedelta(hours=1))
        assert shares.service.create(REQUEST, caller).link.expires_at == NOW + timedelta(hours=1)

    def test_neither_secret_nor_password_is_stored(self, tmp_path: Path) -> None:
        store = SqlShareLinks(f"sqlite:///{tmp_path}/ledger.db")
        issued = open_shares(store).service.create(replace(REQUEST, password=PASSWORD), ADA)
        store.close()
        content = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))
        assert issued.link.sha256.encode() in content
        assert issued.secret.encode() not in content
        assert PASSWORD.encode() not in content

    def test_unreadable_database_is_not_an_unknown_link(self) -> None:
        store = MemoryShareLinks()
        shares = open_shares(store)
        issued = shares.service.create(REQUEST, ADA)
        store.available = False
        with pytest.raises(ShareLinksUnavailable):
            shares.service.open(issued.secret)


class TestValues:
    def test_grant_and_pass_count_for_one_host_and_one_purpose(self) -> None:
        key, host = PREVIEW_KEY, REQUEST.host
        grant = preview_grants.create_share_grant(key, "link", host, 1000)
        found = preview_grants.create_share_pass(key, "link", host, 2000)
        assert preview_grants.read_share_grant(key, grant, host, 1059) == "link"
        assert preview_grants.read_share_grant(key, grant, host, 1060) == ""
        assert preview_grants.read_share_grant(key, grant, "other.localhost", 1000) == ""
        assert preview_grants.read_share_grant(key, found, host, 1000) == ""
        assert preview_grants.read_share_pass(key, grant, host, 1000) == ""
        assert preview_grants.read_share_pass(key, found, host, 1999) == "link"
        assert preview_grants.read_share_pass(key, found, host, 2000) == ""
        assert preview_grants.read_pass(key, found, host, 1000) is None
        assert preview_grants.read_grant(key, grant, host, "x", 1000) is None

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"links": []}', '{"links": {"a": 1}}', "[" * 100_000])
    def test_unreadable_file_has_no_links(self, tmp_path: Path, text: str) -> None:
        (tmp_path / file_names.SHARE_LINKS).write_text(text)
        assert published_links.read(tmp_path / file_names.SHARE_LINKS) == {}


@dataclass(frozen=True, slots=True)
class SharedWorld:
    """A dashboard and a gateway with two protected previews."""

    url: str
    previews: Previews
    service: ShareLinkService
    ledger: MemoryLedger
    exits: ExitStack

    def visitor(self) -> httpx.Client:
        """A browser without an account."""
        client = httpx.Client(
            transport=LoopbackTransport(), timeout=20, trust_env=False, headers={"Accept": "text/html"}
        )
        return self.exits.enter_context(client)

    def create(self, password: str = "", environment: str = "") -> tuple[str, str]:
        """The link, and its ID."""
        body = {"environment": environment or sample(42).name, "password": password}
        answer = httpx.post(
            f"{self.url}/api/v1/share-links", json=body, headers=_as("developer"), trust_env=False, timeout=60
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["url"], answer.json()["link"]["id"]

    def follow(self, visitor: httpx.Client, link: str, password: str = "") -> httpx.Response:
        """As a browser does, up to the preview's first page."""
        first = visitor.get(link)
        assert (first.status_code, first.headers["location"]) == (303, "/share")
        page = visitor.get(f"{self.url}/share")
        if password:
            page = visitor.post(f"{self.url}/share", data={"password": password}, headers={"Origin": self.url})
        if page.status_code != 200:
            return page
        answer = visitor.get(grant_url(page))
        return answer if answer.status_code != 303 else visitor.get(self.previews.url(HOST))


HOST, OTHER = sample(42).host, sample(3, repository="demo/api").host


def grant_url(page: httpx.Response) -> str:
    return page.text.partition("url=")[2].partition('"')[0].replace("&amp;", "&")


def _as(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[role]}"}


@pytest.fixture(scope="module")
def gateway(shared_authorities: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Previews]:
    """One process for all tests."""
    with serving_previews(tmp_path_factory.mktemp("gateway"), free_port()) as found:
        yield found


@pytest.fixture
def shared(gateway: Previews) -> Iterator[SharedWorld]:
    port, ledger = free_port(), MemoryLedger()
    publish = partial(published_links.write, gateway.folder)
    service = ShareLinkService(MemoryShareLinks(), ledger.record, publish, lambda: datetime.now(UTC))
    url = f"http://127.0.0.1:{port}"
    access = PreviewAccess(PREVIEW_KEY, lambda host: f"http://{host}:{gateway.port}", url, service)
    desk = FakeEnvironmentService(sample(42), sample(3, repository="demo/api"))
    app = create_app(desk, api_settings(previews=access, clock=lambda: datetime.now(UTC)))
    gateway.reset()
    gateway.protect(HOST)
    gateway.protect(OTHER)
    with ExitStack() as exits:
        exits.enter_context(serve(app, port))
        yield SharedWorld(url, gateway, service, ledger, exits)


@pytest.mark.real
class TestVisitors:
    def test_visitor_opens_one_preview_and_the_secret_leaves_the_url(self, shared: SharedWorld) -> None:
        link, _ = shared.create()
        visitor = shared.visitor()
        assert visitor.get(shared.previews.url(HOST)).status_code == 401
        page = shared.follow(visitor, link)
        assert (page.status_code, "PREVIEW /" in page.text, "eph_" in page.text) == (200, True, False)
        assert urlsplit(str(page.url)).query == ""
        cookie = next(item for item in visitor.cookies.jar if item.name == "eph_sign_in")
        assert (cookie.domain, cookie.domain_specified) == (HOST, False)
        headers = {"Cookie": f"eph_sign_in={cookie.value}"}
        stranger = shared.visitor()
        assert stranger.get(shared.previews.url(HOST), headers=headers).status_code == 200
        assert stranger.get(shared.previews.url(OTHER), headers=headers).status_code == 401

    def test_revoking_closes_the_preview_with_the_next_request(self, shared: SharedWorld) -> None:
        link, link_id = shared.create()
        visitor = shared.visitor()
        assert shared.follow(visitor, link).status_code == 200
        answer = httpx.delete(
            f"{shared.url}/api/v1/share-links/{link_id}", headers=_as("developer"), trust_env=False, timeout=60
        )
        assert answer.status_code == 200
        assert visitor.get(shared.previews.url(HOST)).status_code == 401
        assert shared.follow(shared.visitor(), link).status_code == 404
        kinds = [(event.kind, event.actor) for event in shared.ledger.events()]
        assert kinds == [
            ("share.created", "developer-name"),
            ("share.opened", f"share link {link_id}"),
            ("share.revoked", "developer-name"),
        ]

    def test_password(self, shared: SharedWorld) -> None:
        link, _ = shared.create(PASSWORD)
        visitor = shared.visitor()
        page = shared.follow(visitor, link, "wrong password")
        assert (page.status_code, "Wrong password" in page.text) == (401, True)
        assert visitor.get(shared.previews.url(HOST)).status_code == 401
        assert shared.follow(visitor, link, PASSWORD).status_code == 200

    def test_list_of_people_wins(self, shared: SharedWorld) -> None:
        link, _ = shared.create()
        visitor = shared.visitor()
        assert shared.follow(visitor, link).status_code == 200
        shared.previews.protect(HOST, "ada")
        assert visitor.get(shared.previews.url(HOST)).status_code == 401
        assert shared.follow(shared.visitor(), link).status_code == 403

    def test_grant_doesnt_open_another_preview(self, shared: SharedWorld) -> None:
        link, _ = shared.create()
        visitor = shared.visitor()
        visitor.get(link)
        grant = httpx.URL(grant_url(visitor.get(f"{shared.url}/share"))).params["share"]
        for host, share in ((OTHER, grant), (HOST, grant[:-1]), (HOST, "x"), (HOST, "")):
            answer = visitor.get(shared.previews.url(host, f"/_eph/sign-in?share={share}"))
            assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)

    def test_share_secret_is_no_api_token(self, shared: SharedWorld) -> None:
        secret = shared.create()[0].rpartition("/")[2]
        headers = {"Authorization": f"Bearer {secret}"}
        assert (
            httpx.get(f"{shared.url}/api/v1/environments", headers=headers, trust_env=False, timeout=60).status_code
            == 401
        )

    def test_another_site_cant_submit_the_password(self, shared: SharedWorld) -> None:
        link, _ = shared.create(PASSWORD)
        visitor = shared.visitor()
        visitor.get(link)
        answer = visitor.post(
            f"{shared.url}/share", data={"password": PASSWORD}, headers={"Origin": shared.previews.url(OTHER, "")}
        )
        assert answer.status_code == 403

    def test_viewers_cant_share(self, shared: SharedWorld) -> None:
        body = {"environment": sample(42).name}
        for role, status in (("viewer", 403), ("developer", 201), ("admin", 201)):
            answer = httpx.post(
                f"{shared.url}/api/v1/share-links", json=body, headers=_as(role), trust_env=False, timeout=60
            )
            assert answer.status_code == status
        assert (
            httpx.get(
                f"{shared.url}/api/v1/share-links", headers=_as("viewer"), trust_env=False, timeout=60
            ).status_code
            == 403
        )

    def test_command_creates_lists_and_revokes(self, shared: SharedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EPH_URL", shared.url)
        monkeypatch.setenv("EPH_TOKEN", TOKENS["developer"])

        def eph(*args: str, typed: str = "") -> Result:
            return CliRunner().invoke(eph_app, ["share", *args], input=typed)

        created = eph("create", sample(42).name, "--expires", "2h", "--password", typed=f"{PASSWORD}\n")
        assert created.exit_code == 0, created.output
        link = created.output.splitlines()[0]
        assert shared.follow(shared.visitor(), link, PASSWORD).status_code == 200
        link_id = _only(shared.service).id
        assert link_id in eph("list", sample(42).name).output
        assert eph("revoke", link_id).exit_code == 0
        assert "no share links" in eph("list").output
        assert eph("revoke", link_id).exit_code != 0

    def test_page_creates_and_revokes(self, shared: SharedWorld) -> None:
        browser, name = shared.visitor(), sample(42).name
        browser.post(f"{shared.url}/login", data={"token": TOKENS["developer"]}, headers={"Origin": shared.url})
        form = {"environment": name, "hours": "24", "password": ""}
        page = browser.post(f"{shared.url}/shares", data=form, headers={"Origin": shared.url})
        link = page.text.partition("only once: <code>")[2].partition("</code>")[0]
        assert shared.follow(shared.visitor(), link).status_code == 200
        link_id = _only(shared.service).id
        assert link_id in browser.get(f"{shared.url}/shares", params={"environment": name}).text
        assert link not in browser.get(f"{shared.url}/shares", params={"environment": name}).text
        evil = browser.post(f"{shared.url}/shares/{link_id}/revoke", headers={"Origin": "http://evil.test"})
        assert evil.status_code == 403
        browser.post(f"{shared.url}/shares/{link_id}/revoke", headers={"Origin": shared.url})
        assert shared.service.visible_to(ADA) == []


def _only(service: ShareLinkService) -> ShareLink:
    (link,) = service.visible_to(ADA)
    return link

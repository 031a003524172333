"""People open protected previews under their own name: a real gateway, a real dashboard, and a provider that we didn't
write. Rows: S5 (sign-in in front of previews), S1."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from orchestrator.auth import preview_grants
from orchestrator.auth.preview_grants import Visitor, create_grant, create_pass, read_grant, read_pass
from orchestrator.auth.preview_tokens import host_token
from orchestrator.demo.free_ports import free_port
from orchestrator.gateway.access.people import PASS_MARK
from tests.auth.conftest import PREVIEW_KEY, SignInWorld
from tests.auth.identity_provider import ADA, GRACE, MALLORY, Browser, EmulatedProvider
from tests.auth.preview_gateway import TOKEN, Previews, serving_previews

HOST, OTHER = "shop-gentle-stream-42.localhost", "api-gentle-stream-3.localhost"
NO_PREVIEWS = (
    "evil.test",
    "localhost",
    f"evil.test/{HOST}",
    f"{HOST}@evil.test",
    f"evil.test#{HOST}",
    f"{HOST}:1",
    "",
    "shop-gentle-stream-42",
    "demo/shop#42",
    f"x.{HOST}",
    f"evil.test/--{HOST}",
    f"evil.test#--{HOST}",
    f"x@--{HOST}",
)
KEY = PREVIEW_KEY


class TestValues:
    def test_grant_counts_for_one_host_one_browser_and_one_minute(self) -> None:
        ada = Visitor(ADA, ("platform",))
        grant = create_grant(KEY, ada, HOST, "state", 1000)
        assert read_grant(KEY, grant, HOST, "state", 1059) == ada
        for key, host, state, now in (
            (b"x" * 32, HOST, "state", 1000),
            (KEY, OTHER, "state", 1000),
            (KEY, HOST, "other", 1000),
            (KEY, HOST, "", 1000),
            (KEY, HOST, "state", 1060),
        ):
            assert read_grant(key, grant, host, state, now) is None
        assert read_grant(KEY, create_grant(KEY, ada, HOST, "", 1000), HOST, "", 1000) is None

    def test_grant_is_no_pass_and_neither_can_be_changed(self) -> None:
        ada = Visitor(ADA)
        grant, found = create_grant(KEY, ada, HOST, "", 1000), create_pass(KEY, ada, HOST, 1000)
        assert read_pass(KEY, found, HOST, 1000 + 3599) == ada
        assert read_pass(KEY, found, HOST, 1000 + 3600) is None
        assert read_pass(KEY, found, OTHER, 1000) is None
        assert read_pass(KEY, grant, HOST, 1000) is None
        body, _, seal = found.partition(".")
        forged = create_pass(b"x" * 32, Visitor(GRACE), HOST, 1000).partition(".")[0]
        for wrong in (f"{forged}.{seal}", f"{body}.", body, f".{seal}", "", ".", "x" * 9000, "é.é", f"{body}.é"):
            assert read_pass(KEY, wrong, HOST, 1000) is None

    @pytest.mark.parametrize(
        ("allow", "allowed"),
        [
            ((), True),
            ((ADA,), True),
            (("ADA@example.com",), True),
            (("@platform",), True),
            (("platform",), False),
            (("@Platform",), False),
            ((GRACE,), False),
            (("",), False),
            (("@",), False),
        ],
    )
    def test_list_of_people(self, allow: tuple[str, ...], allowed: bool) -> None:
        assert Visitor(ADA, ("platform",)).is_allowed(allow) is allowed

    def test_nobody_can_name_themselves_like_a_group(self) -> None:
        assert not Visitor("@platform").is_allowed(("@platform",))
        assert not Visitor("platform").is_allowed(("@platform",))

    def test_key_is_private(self, tmp_path: Path) -> None:
        path = preview_grants.preview_key_file(tmp_path)
        assert (path.stat().st_mode & 0o777, len(path.read_bytes())) == (0o600, 32)
        assert preview_grants.preview_key(tmp_path) == path.read_bytes()


@pytest.fixture(scope="module")
def gateway(
    providers: Callable[[str], EmulatedProvider], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Previews]:
    """One process for all tests."""
    with serving_previews(tmp_path_factory.mktemp("gateway"), free_port(), providers("okta").eph_url) as found:
        yield found


@pytest.fixture
def gateway_port(gateway: Previews) -> int:
    return gateway.port


@pytest.fixture
def previews(gateway: Previews) -> Previews:
    gateway.reset()
    gateway.protect(HOST, ADA)
    gateway.protect(OTHER, "@engineers")
    return gateway


@pytest.mark.real
class TestPeople:
    def test_person_on_the_list_signs_in_and_comes_back(self, world: SignInWorld, previews: Previews) -> None:
        browser = world.new_browser()
        page = browser.open(previews.url(path="/cart?a=1&b=2"), ADA)
        assert (page.status_code, "PREVIEW /cart?a=1&b=2" in page.text) == (200, True)
        assert "eph_" not in page.text, "the app must not see our cookies"
        assert urlsplit(str(page.url)).query == "a=1&b=2"
        assert browser.http.get(previews.url(path="/again")).status_code == 200

    @pytest.mark.long
    def test_others_are_told_apart(self, world: SignInWorld, previews: Previews) -> None:
        grace = world.new_browser()
        assert grace.open(previews.url(), GRACE).status_code == 403
        assert "PREVIEW" in grace.open(previews.url(OTHER)).text  # the group engineers; without a second sign-in
        mallory = world.new_browser()
        page = mallory.open(previews.url(), MALLORY)
        assert (page.status_code, "none of your groups" in page.text) == (403, True)

    def test_list_changes_with_the_next_request(self, world: SignInWorld, previews: Previews) -> None:
        browser = world.new_browser()
        assert browser.open(previews.url(), ADA).status_code == 200
        previews.protect(HOST, GRACE)
        assert browser.http.get(previews.url()).status_code == 403

    def test_another_key_signs_everyone_out_and_without_one_nobody_is_in(
        self, world: SignInWorld, previews: Previews
    ) -> None:
        browser = world.new_browser()
        browser.open(previews.url(), ADA)
        forged = PASS_MARK + create_pass(b"", Visitor(ADA), HOST, time.time())
        (previews.folder / "key").unlink()
        assert browser.http.get(previews.url()).status_code == 401
        answer = httpx.get(
            f"http://127.0.0.1:{previews.port}/",
            headers={"Host": HOST, "Cookie": f"eph_sign_in={forged}"},
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == 401
        (previews.folder / "key").write_bytes(b"n" * 32)
        assert browser.http.get(previews.url(), follow_redirects=False).status_code == 303

    def test_shared_token_opens_no_preview_with_a_list(self, world: SignInWorld, previews: Previews) -> None:
        derived = host_token(TOKEN.encode(), HOST)
        browser = world.new_browser()
        for token, expected in ((TOKEN, 401), (derived, 200)):
            answer = browser.http.get(previews.url(), headers={"X-Eph-Preview-Token": token, "Accept": "*/*"})
            assert answer.status_code == expected
            assert token not in answer.text
        form = browser.http.post(previews.url(path="/_eph/sign-in"), data={"token": TOKEN})
        assert (form.status_code, "eph_sign_in" in form.headers.get("set-cookie", "")) == (401, False)
        previews.protect(HOST)
        answer = browser.http.get(previews.url(), headers={"X-Eph-Preview-Token": TOKEN, "Accept": "*/*"})
        assert answer.status_code == 200

    def test_programs_get_401_instead_of_a_redirect(self, world: SignInWorld, previews: Previews) -> None:
        answer = world.new_browser().http.get(previews.url(), headers={"Accept": "application/json"})
        assert answer.status_code == 401


@pytest.mark.real
class TestAttacks:
    def grant_url(self, browser: Browser, url: str) -> str:
        """Where ephd sends a browser that is signed in, without going there."""
        page = browser.http.get(url, follow_redirects=False)
        page = browser.http.get(page.headers["location"], follow_redirects=False)
        assert page.status_code == 303, page.text
        return page.headers["location"]

    def test_link_with_a_grant_works_in_one_browser_only(self, world: SignInWorld, previews: Previews) -> None:
        ada, victim = world.new_browser(), world.new_browser()
        ada.sign_in(ADA)
        link = self.grant_url(ada, previews.url())
        victim.http.get(previews.url(), follow_redirects=False)
        victim.http.get(link, follow_redirects=False)
        assert "eph_sign_in" not in victim.http.cookies
        assert ada.http.get(link, follow_redirects=False).status_code == 303
        assert ada.http.get(previews.url()).status_code == 200
        assert ada.http.get(link, follow_redirects=False).status_code == 401, "a grant counts once"

    def test_cookie_of_one_preview_opens_no_other(self, world: SignInWorld, previews: Previews) -> None:
        previews.protect(OTHER)
        browser = world.new_browser()
        browser.open(previews.url(), ADA)
        value = next(cookie.value for cookie in browser.http.cookies.jar if cookie.name == "eph_sign_in")
        fresh = world.new_browser()
        headers = {"Cookie": f"eph_sign_in={value}", "Accept": "*/*"}
        assert fresh.http.get(previews.url(), headers=headers).status_code == 200
        assert fresh.http.get(previews.url(OTHER), headers=headers).status_code == 401

    def test_grants_go_to_hosts_of_previews_only(self, world: SignInWorld) -> None:
        browser = world.new_browser()
        browser.sign_in(ADA)
        for host in NO_PREVIEWS:
            query = httpx.QueryParams({"host": host, "state": "s" * 32, "to": "/"})
            answer = browser.http.get(f"{world.provider.eph_url}/auth/preview?{query}", follow_redirects=False)
            assert (answer.status_code, "location" in answer.headers) == (404, False), host

    def test_return_path_stays_on_the_preview(self, world: SignInWorld, previews: Previews) -> None:
        for to in ("//evil.test", "https://evil.test", "/\\evil.test"):
            browser = world.new_browser()
            browser.sign_in(ADA)
            first = browser.http.get(previews.url(), follow_redirects=False).headers["location"]
            changed = httpx.URL(first).copy_set_param("to", to)
            link = httpx.URL(browser.http.get(changed, follow_redirects=False).headers["location"])
            answer = browser.http.get(link.copy_set_param("to", to), follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")

    def test_services_are_not_people(self, world: SignInWorld, previews: Previews) -> None:
        browser = world.new_browser()
        url = httpx.URL(browser.http.get(previews.url(), follow_redirects=False).headers["location"])
        headers = {"Authorization": "Bearer admin-" + "x" * 32}
        answer = browser.http.get(url.copy_set_param("again", "1"), headers=headers, follow_redirects=False)
        assert "/auth/sign-in" in answer.headers["location"]

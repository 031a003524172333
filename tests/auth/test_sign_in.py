"""People sign in to the dashboard at providers that we didn't write. Row: S1 (OIDC, roles, the audit trail)."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest

from orchestrator.auth.identities import Role
from tests.auth.conftest import SignInWorld
from tests.auth.identity_provider import ADA, GRACE, MALLORY, Browser

pytestmark = pytest.mark.real
ONE = "/e/shop-gentle-stream-42"


def whoami(browser: Browser) -> dict[str, object]:
    found: dict[str, object] = browser.get("/api/v1/whoami").json()
    return found


@pytest.mark.parametrize(
    ("service", "auth_overrides", "person", "name"),
    [
        ("okta", {"viewers": "*"}, ADA, ADA),
        ("google", {"viewers": "*"}, ADA, ADA),
        ("microsoft", {"viewers": "*", "name_claim": "preferred_username"}, ADA, ADA),
        ("github", {"viewers": "*"}, "ada", "ada"),
    ],
)
@pytest.mark.long
def test_sign_in_at_each_provider(world: SignInWorld, person: str, name: str) -> None:
    browser = world.new_browser()
    assert "/auth/sign-in" in browser.get("/").text
    assert browser.sign_in(person).status_code == 200
    assert "shop-gentle-stream-42" in browser.get("/").text
    assert whoami(browser)["name"] == name
    assert ("sign_in.succeeded", name) in world.events()


@pytest.mark.parametrize(("person", "role"), [(ADA, "admin"), (GRACE, "developer")])
def test_groups_decide_the_role(world: SignInWorld, person: str, role: str) -> None:
    browser = world.new_browser()
    browser.sign_in(person)
    assert whoami(browser)["role"] == role


def test_actions_carry_the_persons_name(world: SignInWorld) -> None:
    browser = world.new_browser()
    browser.sign_in(GRACE)
    browser.post(f"{ONE}/down")
    assert world.desk.calls == [("down", "shop-gentle-stream-42", GRACE)]


def test_person_without_a_role_gets_no_session(world: SignInWorld) -> None:
    browser = world.new_browser()
    answer = browser.sign_in(MALLORY)
    assert (answer.status_code, "none of your groups has a role" in answer.text) == (403, True)
    assert "eph_session" not in browser.http.cookies
    assert browser.get("/api/v1/whoami").status_code == 401
    assert ("sign_in.refused", MALLORY) in world.events()


def test_person_comes_back_to_the_page(world: SignInWorld) -> None:
    page = world.new_browser().sign_in(GRACE, to=ONE).text
    assert f'content="0; url={ONE}"' in page
    for elsewhere in ("https://evil.test/", "//evil.test", "/\\evil.test"):
        page = world.new_browser().sign_in(GRACE, to=elsewhere).text
        assert "evil.test" not in page


class TestAttacks:
    def test_link_cannot_sign_somebody_else_in(self, world: SignInWorld) -> None:
        """The attacker sends a victim the link with which the provider confirms the attacker's account."""
        link = world.new_browser().callback_url(GRACE)
        victim = world.new_browser()
        assert victim.http.get(link).status_code == 400
        victim.get("/auth/sign-in")  # has an attempt of its own
        assert victim.http.get(link).status_code == 400
        assert "eph_session" not in victim.http.cookies

    def test_code_is_worthless_with_another_attempt(self, world: SignInWorld) -> None:
        """PKCE and the nonce tie a stolen code to the browser that requested it."""
        thief, owner = world.new_browser(), world.new_browser()
        code = httpx.URL(owner.callback_url(ADA)).params["code"]
        own_link = httpx.URL(thief.callback_url(GRACE))
        answer = thief.http.get(own_link.copy_set_param("code", code))
        assert answer.status_code == 403
        assert "eph_session" not in thief.http.cookies

    def test_code_works_once(self, world: SignInWorld) -> None:
        browser = world.new_browser()
        link = browser.callback_url(GRACE)
        attempt = browser.http.cookies["eph_attempt"]
        assert browser.http.get(link).status_code == 200
        again = world.new_browser()
        again.http.cookies.set("eph_attempt", attempt, domain="localhost.local", path="/")
        assert again.http.get(link).status_code in (400, 403)

    def test_attempt_expires_and_cannot_be_changed(self, world: SignInWorld) -> None:
        browser = world.new_browser()
        link = browser.callback_url(GRACE)
        world.clock.offset = timedelta(minutes=11)
        assert browser.http.get(link).status_code == 400
        world.clock.offset = timedelta(0)
        sealed = browser.http.cookies["eph_attempt"]
        for wrong in (sealed[:-1] + ("0" if sealed[-1] != "0" else "1"), "x." + sealed.partition(".")[2], "", ".", "é"):
            sent = {b"Cookie": b"eph_attempt=" + wrong.encode()}
            assert httpx.get(link, headers=sent, trust_env=False, timeout=60).status_code == 400

    def test_refusal_at_the_provider_is_reported(self, world: SignInWorld) -> None:
        browser = world.new_browser()
        state = httpx.URL(browser.callback_url(GRACE)).params["state"]
        answer = browser.get(f"/auth/callback?error=access_denied&state={state}")
        assert answer.status_code == 403

    @pytest.mark.parametrize("auth_overrides", [{"client_secret": "wrong"}])
    def test_wrong_client_secret_is_a_sentence(self, world: SignInWorld) -> None:
        answer = world.new_browser().sign_in(GRACE)
        assert (answer.status_code, "refused the sign-in" in answer.text) == (403, True)
        assert "wrong" not in answer.text.partition("<main>")[2].partition("</main>")[0].replace("went wrong", "")


class TestSessions:
    def test_signing_out_ends_a_copied_cookie(self, world: SignInWorld) -> None:
        browser = world.new_browser()
        browser.sign_in(GRACE)
        copy = {"Cookie": f"eph_session={browser.http.cookies['eph_session']}"}
        url = f"{browser.eph_url}/api/v1/whoami"
        assert httpx.get(url, headers=copy, trust_env=False, timeout=60).status_code == 200
        browser.post("/logout")
        assert httpx.get(url, headers=copy, trust_env=False, timeout=60).status_code == 401

    def test_session_expires(self, world: SignInWorld) -> None:
        browser = world.new_browser()
        browser.sign_in(GRACE)
        world.clock.offset = timedelta(hours=12, minutes=1)
        assert browser.get("/api/v1/whoami").status_code == 401

    def test_admin_revokes_somebodys_session_on_the_page(self, world: SignInWorld) -> None:
        grace, ada = world.new_browser(), world.new_browser()
        grace.sign_in(GRACE)
        ada.sign_in(ADA)
        assert ADA not in grace.get("/tokens").text.partition("<tbody>")[2]
        page = ada.get("/tokens").text
        session = next(token for token in world.store.all() if token.owner == GRACE)
        assert re.search(rf'action="/tokens/{session.id}/revoke"', page)
        ada.post(f"/tokens/{session.id}/revoke")
        assert grace.get("/api/v1/whoami").status_code == 401
        assert ("token.revoked", ADA) in world.events()

    def test_reduced_role_ends_older_sessions(self, world: SignInWorld) -> None:
        """The provider is asked at each sign-in; what it took away doesn't live on in another browser."""
        older = world.tokens.start_session(GRACE, Role.ADMIN)
        world.new_browser().sign_in(GRACE)
        assert world.tokens.find(older.sha256) is None

"""Tokens of people and services: what they are limited to, and where they are kept. Row: S1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.auth.fake import MemoryTokens
from orchestrator.auth.identities import Caller, Role
from orchestrator.auth.roles import RolePolicy
from orchestrator.auth.sign_in.people import PeopleSignIn
from orchestrator.auth.sign_in.port import Person, SignInFailed
from orchestrator.auth.sql_tokens import SqlTokens
from orchestrator.auth.token_service import TokenRefused, TokenRequest, TokenService
from orchestrator.auth.token_store import TokenStore, TokensUnavailable
from orchestrator.auth.tokens import Token, TokenKind, hash_token
from orchestrator.ledger.fake import MemoryLedger
from tests.ledger.postgres_server import PostgresServer

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ADMIN = Caller("ada", Role.ADMIN, person="ada")
DEVELOPER = Caller("grace", Role.DEVELOPER, person="grace")
LOCAL = Caller("local", Role.ADMIN)
SCOPED = Caller("hal", Role.ADMIN, ("acme/*",), person="hal")


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TokenStore]:
    made: TokenStore = MemoryTokens()
    if request.param == "sqlite":
        made = SqlTokens(f"sqlite:///{tmp_path}/folder/ledger.db")
    elif request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("shared_postgres")
        made = SqlTokens(server.url(server.create_database()))
    yield made
    made.close()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def service(store: TokenStore, ledger: MemoryLedger) -> TokenService:
    return TokenService(store, ledger.record, lambda: NOW)


def token(number: int = 1, **more: object) -> Token:
    given: dict[str, Any] = {
        "owner": "ada",
        "role": Role.VIEWER,
        "sha256": hash_token(f"secret-{number}"),
        "kind": TokenKind.PERSON,
        "id": f"id-{number}",
        "repositories": ("acme/shop",),
        "max_deploys": 3,
        "created_at": NOW + number * DAY,
        "expires_at": NOW + 60 * DAY,
    }
    return Token(**{**given, **more})


class TestStore:
    def test_what_is_added_is_found_by_its_hash_alone(self, store: TokenStore) -> None:
        store.add(token())
        assert store.find(hash_token("secret-1")) == token()
        assert store.find(hash_token("secret-2")) is None
        assert store.find("") is None

    def test_newest_first(self, store: TokenStore) -> None:
        for number in (1, 3, 2):
            store.add(token(number))
        listed = [item.id for item in store.all()]
        assert sorted(listed) == ["id-1", "id-2", "id-3"]

    def test_revoking_happens_once_and_keeps_the_name(self, store: TokenStore) -> None:
        store.add(token())
        assert store.revoke("id-1", NOW, "grace")
        assert not store.revoke("id-1", NOW + DAY, "mallory")
        assert not store.revoke("id-2", NOW, "grace")
        found = store.find(hash_token("secret-1"))
        assert found is not None
        assert (found.revoked_at, found.revoked_by) == (NOW, "grace")
        assert not found.is_valid(NOW)

    def test_secret_is_not_in_the_database(self, tmp_path: Path) -> None:
        path = tmp_path / "ledger.db"
        kept = SqlTokens(f"sqlite:///{path}")
        issued = TokenService(kept, MemoryLedger().record, lambda: NOW).create(TokenRequest(Role.VIEWER, DAY), ADMIN)
        kept.close()
        content = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))
        assert issued.token.sha256.encode() in content
        assert issued.secret.encode() not in content
        assert issued.secret.removeprefix("eph_").encode() not in content

    def test_tokens_that_ended_long_ago_are_deleted(self, tmp_path: Path) -> None:
        store = SqlTokens(f"sqlite:///{tmp_path}/ledger.db")
        store.add(token(1, expires_at=NOW + DAY))
        store.add(token(2, created_at=NOW + 32 * DAY))
        assert [item.id for item in store.all()] == ["id-2"]
        store.close()

    def test_unreadable_database_is_not_an_unknown_token(self, tmp_path: Path) -> None:
        store = SqlTokens(f"sqlite:///{tmp_path}/ledger.db")
        store.add(token())
        with sa.create_engine(f"sqlite:///{tmp_path}/ledger.db").begin() as connection:
            connection.exec_driver_sql("DROP TABLE tokens")
        with pytest.raises(TokensUnavailable, match="can't be read"):
            store.find(hash_token("secret-1"))
        store.close()


class TestLimits:
    @pytest.mark.parametrize(
        ("by", "wanted"),
        [
            (DEVELOPER, TokenRequest(Role.ADMIN, DAY)),
            (DEVELOPER, TokenRequest(Role.VIEWER, DAY, service="ci")),
            (SCOPED, TokenRequest(Role.VIEWER, DAY, service="ci")),
            (SCOPED, TokenRequest(Role.VIEWER, DAY, repositories=("other/shop",))),
            (SCOPED, TokenRequest(Role.VIEWER, DAY, repositories=("*/*",))),
            (SCOPED, TokenRequest(Role.VIEWER, DAY, repositories=("a*/*",))),
            (SCOPED, TokenRequest(Role.VIEWER, DAY, repositories=("acme/shop", "other/shop"))),
            (ADMIN, TokenRequest(Role.VIEWER, timedelta(days=366))),
            (ADMIN, TokenRequest(Role.VIEWER, timedelta(0))),
            (ADMIN, TokenRequest(Role.VIEWER, -DAY)),
            (ADMIN, TokenRequest(Role.VIEWER, DAY, service="CI or\nanother")),
            (ADMIN, TokenRequest(Role.VIEWER, DAY, label="two\nlines")),
            (ADMIN, TokenRequest(Role.VIEWER, DAY, repositories=("everything",))),
            (replace(ADMIN, max_deploys=2), TokenRequest(Role.VIEWER, DAY, max_deploys=3)),
            (LOCAL, TokenRequest(Role.VIEWER, DAY)),
            (Caller("service:ci", Role.ADMIN), TokenRequest(Role.VIEWER, DAY)),
            (Caller("anonymous", None), TokenRequest(Role.VIEWER, DAY)),
        ],
    )
    def test_nobody_creates_more_than_they_have(self, service: TokenService, by: Caller, wanted: TokenRequest) -> None:
        with pytest.raises(TokenRefused):
            service.create(wanted, by)
        assert service.visible_to(ADMIN) == []

    def test_restriction_and_end_are_inherited(self, service: TokenService) -> None:
        """Otherwise a token could renew itself for ever, or rid itself of its restriction."""
        parent = service.create(TokenRequest(Role.DEVELOPER, 2 * DAY, repositories=("acme/*",)), ADMIN).token.caller
        child = service.create(TokenRequest(Role.DEVELOPER, 300 * DAY), parent).token
        assert (child.owner, child.repositories, child.expires_at) == ("ada", ("acme/*",), NOW + 2 * DAY)
        narrow = service.create(TokenRequest(Role.VIEWER, DAY, repositories=("acme/shop",)), parent).token
        assert narrow.repositories == ("acme/shop",)

    def test_a_limit_of_deploys_is_inherited_and_can_be_lowered(self, service: TokenService) -> None:  # P11
        parent = service.create(TokenRequest(Role.DEVELOPER, DAY, max_deploys=3), ADMIN).token.caller
        assert parent.max_deploys == 3
        assert service.create(TokenRequest(Role.DEVELOPER, DAY), parent).token.max_deploys == 3
        assert service.create(TokenRequest(Role.DEVELOPER, DAY, max_deploys=1), parent).token.max_deploys == 1

    def test_session_creates_tokens_that_outlive_it(self, service: TokenService) -> None:
        session = service.start_session("ada", Role.ADMIN).caller
        assert service.create(TokenRequest(Role.ADMIN, 90 * DAY), session).token.expires_at == NOW + 90 * DAY

    def test_people_see_and_revoke_their_own_tokens_only(self, service: TokenService) -> None:
        ada = service.create(TokenRequest(Role.VIEWER, DAY), ADMIN).token
        grace = service.create(TokenRequest(Role.VIEWER, DAY), DEVELOPER).token
        assert service.visible_to(DEVELOPER) == [grace]
        assert {item.id for item in service.visible_to(ADMIN)} == {ada.id, grace.id}
        assert service.visible_to(SCOPED) == service.visible_to(Caller("service:ci", Role.DEVELOPER)) == []
        with pytest.raises(TokenRefused, match="There is no token"):
            service.revoke(ada.id, DEVELOPER)
        service.revoke(grace.id, DEVELOPER)
        assert service.find(grace.sha256) is None
        assert service.find(ada.sha256) is not None

    def test_expired_token_is_not_found(self, store: TokenStore, ledger: MemoryLedger) -> None:
        now = [NOW]
        service = TokenService(store, ledger.record, lambda: now[0])
        issued = service.create(TokenRequest(Role.VIEWER, DAY), ADMIN)
        assert service.find(issued.token.sha256) is not None
        now[0] += DAY
        assert service.find(issued.token.sha256) is None
        assert service.visible_to(ADMIN) == []

    def test_losing_a_role_revokes_what_exceeds_it(self, service: TokenService) -> None:
        strong = service.create(TokenRequest(Role.ADMIN, DAY), ADMIN).token
        weak = service.create(TokenRequest(Role.VIEWER, DAY), ADMIN).token
        other = service.create(TokenRequest(Role.DEVELOPER, DAY), DEVELOPER).token
        service.start_session("ada", Role.DEVELOPER)
        assert (service.find(strong.sha256), service.find(weak.sha256)) == (None, weak)
        service.refuse_session("ada")
        assert service.find(weak.sha256) is None
        assert service.find(other.sha256) == other

    def test_audit_trail_names_who_created_and_revoked(self, service: TokenService, ledger: MemoryLedger) -> None:
        issued = service.create(TokenRequest(Role.VIEWER, DAY, service="ci", repositories=("acme/*",)), ADMIN)
        service.revoke(issued.token.id, LOCAL)
        assert [(event.kind, event.actor) for event in ledger.events()] == [
            ("token.created", "ada"),
            ("token.revoked", "local"),
        ]
        assert "service:ci, viewer for acme/*, until 2026-11-29" in ledger.events()[0].message
        assert issued.secret not in repr(ledger.events())


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ((), None),
        (("others",), None),
        (("engineers",), Role.DEVELOPER),
        (("engineers", "platform"), Role.ADMIN),
        (("*",), None),
        (("Platform",), None),
    ],
)
def test_role_of_groups(groups: tuple[str, ...], role: Role | None) -> None:
    policy = RolePolicy(frozenset(), frozenset({"engineers"}), frozenset({"platform"}))
    assert policy.role(groups) is role


def test_everyone_can_be_a_viewer() -> None:
    assert RolePolicy(viewers=frozenset({"*"})).role(()) is Role.VIEWER


class _Claiming:
    """A provider at which somebody chose a name."""

    label = "fake"

    def __init__(self, name: str) -> None:
        self._name = name

    async def authorization_url(self, attempt: object, redirect_uri: str) -> str:
        raise NotImplementedError

    async def identify(self, code: str, attempt: object, redirect_uri: str) -> Person:
        return Person(self._name)


@pytest.mark.parametrize("name", ["service:ci", "SERVICE:ci", "local", "Eph", "a\nb", "x" * 300, "\u202eada"])
async def test_person_cannot_pose_as_a_service(service: TokenService, name: str) -> None:
    people = PeopleSignIn(_Claiming(name), RolePolicy(viewers=frozenset({"*"})), "http://x", service, DAY)
    with pytest.raises(SignInFailed, match="audit trail"):
        await people.complete("code", None)  # type: ignore[arg-type]  # the fake ignores it
    assert service.visible_to(ADMIN) == []

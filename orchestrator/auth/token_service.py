"""Issues, lists and revokes tokens, and records who did it.

A new token never allows more, or lasts longer, than the caller's own: its role, repositories, expiry and number of
label deploys are the limits. Only admins create tokens for services, and services create none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.auth import tokens, wording
from orchestrator.auth.identities import Caller, Role
from orchestrator.auth.token_store import TokenStore
from orchestrator.auth.tokens import Token, TokenKind
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event

MAX_LIFETIME = timedelta(days=365)
SESSION_LIFETIME = timedelta(hours=12)
CLI_LIFETIME = timedelta(days=30)
_SERVICE = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.*-]+/[A-Za-z0-9_.*/-]+")
_LABEL = re.compile(r"[^\x00-\x1f\x7f]{0,100}")


class TokenRefused(Exception):
    """The token can't be created or revoked; the message says why."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """``service``: the name of a service; empty for the caller's own token."""

    role: Role
    lifetime: timedelta
    service: str = ""
    label: str = ""
    repositories: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    max_deploys: int = 0


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """``secret`` is shown once and stored nowhere."""

    token: Token
    secret: str


class TokenService:
    """``record`` writes to the event log."""

    def __init__(self, store: TokenStore, record: Callable[[Event], None], clock: Callable[[], datetime]) -> None:
        self._store, self._record, self._clock = store, record, clock

    def find(self, sha256: str) -> Token | None:
        """A valid token. Raises TokensUnavailable."""
        found = self._store.find(sha256) if sha256 else None
        return found if found and found.is_valid(self._clock()) else None

    def create(self, request: TokenRequest, by: Caller) -> IssuedToken:
        """Raises TokenRefused."""
        _check(request, by)
        owner = f"{tokens.SERVICE_PREFIX}{request.service}" if request.service else by.person
        issued = self._issue(owner, request, TokenKind.SERVICE if request.service else TokenKind.PERSON, by)
        self._record_created(issued.token, by.name)
        return issued

    def start_session(
        self, person: str, role: Role, lifetime: timedelta = SESSION_LIFETIME, groups: tuple[str, ...] = ()
    ) -> Token:
        """For the browser of a person who has just signed in. The person's other tokens that may do more are revoked:
        the identity provider has reduced the role since."""
        self._revoke_above(person, role)
        token = self._issue(
            person, TokenRequest(role, lifetime, label="browser", groups=groups), TokenKind.SESSION, None
        ).token
        self._event(EventKind.SIGN_IN_SUCCEEDED, person, wording.signed_in(person, role.name.lower()))
        return token

    def refuse_session(self, person: str) -> None:
        """For a person without a role. All their tokens are revoked."""
        self._revoke_above(person, None)
        self._event(EventKind.SIGN_IN_REFUSED, person, wording.no_role(person))

    def issue_client_token(
        self, person: Caller, label: str, lifetime: timedelta = CLI_LIFETIME, most: Role = Role.ADMIN
    ) -> IssuedToken:
        """For ``eph auth login`` or a coding agent's client, once the person has confirmed it in the browser. ``most``:
        the highest role that it can have."""
        role = min(person.role or Role.VIEWER, most)
        request = TokenRequest(role, lifetime, label=label, repositories=person.repositories)
        issued = self._issue(person.name, request, TokenKind.CLI, person)
        self._record_created(issued.token, person.name)
        return issued

    def visible_to(self, caller: Caller) -> list[Token]:
        """All of them to an admin, and to others their own."""
        now, found = self._clock(), self._store.all()
        sees_all = caller.may(Role.ADMIN) and not caller.is_scoped
        return [token for token in found if token.is_valid(now) and (sees_all or _is_own(token, caller))]

    def revoke(self, token_id: str, by: Caller) -> Token:
        """Raises TokenRefused. A token that the caller can't see is reported as unknown."""
        token = next((token for token in self.visible_to(by) if token.id == token_id), None)
        if token is None or not self._store.revoke(token_id, self._clock(), by.name):
            raise TokenRefused(wording.unknown_token(token_id))
        self._record_revoked(token, by.name)
        return token

    def end_session(self, token_id: str, by: str) -> None:
        self._store.revoke(token_id, self._clock(), by)

    def _issue(self, owner: str, request: TokenRequest, kind: TokenKind, by: Caller | None) -> IssuedToken:
        secret, now = tokens.new_secret(), self._clock()
        ends = now + request.lifetime
        token = Token(
            owner=owner,
            role=request.role,
            sha256=tokens.hash_token(secret),
            kind=kind,
            id=tokens.new_id(),
            label=request.label,
            repositories=request.repositories or (by.repositories if by else ()),
            groups=request.groups,
            max_deploys=request.max_deploys or (by.max_deploys if by else 0),
            created_at=now,
            expires_at=min(ends, by.expires_at) if by and by.expires_at else ends,
        )
        self._store.add(token)
        return IssuedToken(token, secret)

    def _revoke_above(self, person: str, role: Role | None) -> None:
        now = self._clock()
        for token in self._store.all():
            outranks = role is None or token.role > role
            if token.owner == person and token.is_valid(now) and outranks:
                self._store.revoke(token.id, now, "eph")
                self._record_revoked(token, "eph")

    def _record_created(self, token: Token, actor: str) -> None:
        until = f"{token.expires_at:%Y-%m-%d}" if token.expires_at else "revoked"
        where = f" for {', '.join(token.repositories)}" if token.repositories else ""
        scope = where + (wording.at_most_deploys(token.max_deploys) if token.max_deploys else "")
        message = wording.token_created(token.id, token.owner, token.role.name.lower(), scope, until)
        self._event(EventKind.TOKEN_CREATED, actor, message)

    def _record_revoked(self, token: Token, actor: str) -> None:
        self._event(EventKind.TOKEN_REVOKED, actor, wording.token_revoked(token.id, token.owner))

    def _event(self, kind: EventKind, actor: str, message: str) -> None:
        self._record(Event(kind, self._clock(), message=message, actor=actor))


def _is_own(token: Token, caller: Caller) -> bool:
    return bool(caller.person) and token.owner == caller.person


def _check(request: TokenRequest, by: Caller) -> None:
    if not by.may(request.role):
        raise TokenRefused(wording.role_too_high(request.role.name.lower()))
    if not timedelta(0) < request.lifetime <= MAX_LIFETIME:
        raise TokenRefused(wording.token_lifetime_limit(MAX_LIFETIME.days))
    _check_owner(request, by)
    if not _LABEL.fullmatch(request.label):
        raise TokenRefused(wording.INVALID_LABEL)
    if by.max_deploys and request.max_deploys > by.max_deploys:
        raise TokenRefused(wording.too_many_deploys(by.max_deploys))
    for pattern in request.repositories:
        if not _REPOSITORY.fullmatch(pattern) or len(pattern) > 200:
            raise TokenRefused(wording.not_a_repository(pattern[:80]))
        if by.is_scoped and pattern not in by.repositories and ("*" in pattern or not by.covers(pattern)):
            raise TokenRefused(wording.not_covered(pattern))


def _check_owner(request: TokenRequest, by: Caller) -> None:
    if request.service and (not by.may(Role.ADMIN) or by.is_scoped):
        raise TokenRefused(wording.ONLY_ADMIN_FOR_SERVICES)
    if request.service and not _SERVICE.fullmatch(request.service):
        raise TokenRefused(wording.INVALID_SERVICE_NAME)
    if not request.service and not by.person:
        raise TokenRefused(wording.NAME_THE_SERVICE)

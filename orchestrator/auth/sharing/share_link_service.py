"""Creates, lists, revokes and opens share links, and records who did it.

The gateway has no database: it accepts a visitor's cookie as long as the link is in a file that this service writes. So
a revoked link stops to count with the next request.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.auth import wording
from orchestrator.auth.identities import Caller
from orchestrator.auth.sharing import share_links
from orchestrator.auth.sharing.share_link_store import ShareLinkStore
from orchestrator.auth.sharing.share_links import ShareLink
from orchestrator.auth.tokens import hash_token, new_id
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.ledger.port import Event

MAX_LIFETIME = timedelta(days=30)
DEFAULT_LIFETIME = timedelta(days=1)
MIN_PASSWORD, MAX_PASSWORD = 8, 200
WRONG_PASSWORDS = 10
WRONG_PASSWORD_WINDOW = timedelta(minutes=10)


class ShareRefusal(StrEnum):
    INVALID_LIFETIME = "invalid-lifetime"
    INVALID_PASSWORD = "invalid-password"  # noqa: S105 - a reason
    NO_HOST = "no-host"
    UNKNOWN_LINK = "unknown-link"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 - a reason
    TOO_MANY_WRONG_PASSWORDS = "too-many-wrong-passwords"


class ShareRefused(Exception):
    """A share link can't be created, revoked or opened; the message says why."""

    def __init__(self, reason: ShareRefusal, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ShareRequest:
    """``environment`` is the stack as ``project/stack``."""

    environment: str
    name: str
    host: str
    repository: str
    lifetime: timedelta = DEFAULT_LIFETIME
    password: str = ""


@dataclass(frozen=True, slots=True)
class IssuedShareLink:
    """``secret`` is shown once and stored nowhere."""

    link: ShareLink
    secret: str


class ShareLinkService:
    """``record`` writes to the event log. ``publish`` tells the gateway which links are valid."""

    def __init__(
        self,
        store: ShareLinkStore,
        record: Callable[[Event], None],
        publish: Callable[[Sequence[ShareLink]], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._record, self._publish, self._clock = store, record, publish, clock
        self._wrong: dict[str, deque[datetime]] = {}
        self._lock, self._publish_lock = threading.Lock(), threading.Lock()

    def create(self, request: ShareRequest, by: Caller) -> IssuedShareLink:
        """Raises ShareRefused."""
        _check(request)
        secret, now = share_links.new_secret(), self._clock()
        ends = now + request.lifetime
        link = ShareLink(
            id=new_id(),
            sha256=hash_token(secret),
            environment=request.environment,
            name=request.name,
            host=request.host,
            repository=request.repository,
            created_by=by.name,
            created_at=now,
            expires_at=min(ends, by.expires_at) if by.expires_at else ends,
            password_hash=share_links.hash_password(request.password),
        )
        self._store.add(link)
        self.publish()
        protection = wording.WITH_PASSWORD if request.password else ""
        self._event(EventKind.SHARE_CREATED, link, by.name, wording.link_valid_until(link.expires_at, protection))
        return IssuedShareLink(link, secret)

    def visible_to(self, caller: Caller, environment: str = "") -> list[ShareLink]:
        """Valid links of the repositories that the caller may see, or of one of their environments."""
        return [
            link for link in self._valid() if caller.covers(link.repository) and environment in ("", link.environment)
        ]

    def revoke(self, link_id: str, by: Caller) -> ShareLink:
        """Raises ShareRefused. A link that the caller can't see is reported as unknown."""
        link = next((link for link in self.visible_to(by) if link.id == link_id), None)
        was_valid = link is not None and self._store.revoke(link_id, self._clock(), by.name)
        self.publish()  # always, because an earlier attempt may have been interrupted before it
        if link is None or not was_valid:
            raise ShareRefused(ShareRefusal.UNKNOWN_LINK, wording.unknown_link(link_id))
        self._event(EventKind.SHARE_REVOKED, link, by.name, wording.LINK_REVOKED)
        return link

    def find(self, secret: str) -> ShareLink:
        """A valid link. Raises ShareRefused with the same message for unknown, expired and revoked ones."""
        found = self._store.find(hash_token(secret)) if secret else None
        if found is None or not found.is_valid(self._clock()):
            raise ShareRefused(ShareRefusal.UNKNOWN_LINK, wording.LINK_INVALID)
        return found

    def open(self, secret: str, password: str = "") -> ShareLink:
        """The link, once the password is right. Raises ShareRefused."""
        link = self.find(secret)
        if not self._is_right(link, password):
            self._event(EventKind.SHARE_REFUSED, link, wording.share_link(link.id), "wrong password")
            raise ShareRefused(ShareRefusal.WRONG_PASSWORD, "Wrong password.")
        self.publish()
        self._event(EventKind.SHARE_OPENED, link, wording.share_link(link.id), wording.created_by(link.created_by))
        return link

    def publish(self) -> None:
        """One at a time, so that an older list never replaces a newer one."""
        with self._publish_lock:
            self._publish(self._valid())

    def _valid(self) -> list[ShareLink]:
        now = self._clock()
        return [link for link in self._store.all() if link.is_valid(now)]

    def _is_right(self, link: ShareLink, password: str) -> bool:
        """Counts each attempt before it is checked, so that simultaneous ones can't exceed the limit."""
        if not link.password_hash:
            return True
        with self._lock:
            attempts = self._recent(link)
            if len(attempts) >= WRONG_PASSWORDS:
                raise ShareRefused(ShareRefusal.TOO_MANY_WRONG_PASSWORDS, wording.TOO_MANY_PASSWORDS)
            attempts.append(self._clock())
        if not link.accepts(password):
            return False
        with self._lock:
            self._wrong.pop(link.id, None)
        return True

    def _recent(self, link: ShareLink) -> deque[datetime]:
        attempts = self._wrong.setdefault(link.id, deque())
        while attempts and attempts[0] <= self._clock() - WRONG_PASSWORD_WINDOW:
            attempts.popleft()
        return attempts

    def _event(self, kind: EventKind, link: ShareLink, actor: str, detail: str) -> None:
        message = wording.link_changed(link.id, link.name, detail)
        self._record(Event(kind, self._clock(), link.environment, message, actor))


def _check(request: ShareRequest) -> None:
    if not timedelta(0) < request.lifetime <= MAX_LIFETIME:
        raise ShareRefused(ShareRefusal.INVALID_LIFETIME, wording.link_lifetime_limit(MAX_LIFETIME.days))
    if request.password and not MIN_PASSWORD <= len(request.password) <= MAX_PASSWORD:
        raise ShareRefused(ShareRefusal.INVALID_PASSWORD, wording.password_length(MIN_PASSWORD, MAX_PASSWORD))
    if not request.host:
        raise ShareRefused(ShareRefusal.NO_HOST, wording.no_url_yet(request.name))

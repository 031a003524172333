"""Signs a command-line client in through a browser, after the device authorization flow of RFC 8628.

The client gets a long secret code and shows a short one. A person who is signed in to the dashboard enters the short
code and confirms; the client then gets a token of that person in return for the secret code. Nothing is stored: after a
restart the client starts again.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.auth import tokens
from orchestrator.auth.client_networks import client_network
from orchestrator.auth.identities import Caller

LIFETIME = timedelta(minutes=10)
INTERVAL_SECONDS = 2
MAX_PENDING = 1000
MAX_PENDING_PER_CLIENT = 10
MAX_LABEL = 100
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Without vowels, so that no words appear, and without letters that look like digits."""
_CODE_LENGTH = 8


class TooManyPending(Exception):
    """More clients of one network wait for a confirmation than Eph keeps."""


class DeviceState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    UNKNOWN = "unknown"
    """It never existed, it expired, or its token has been fetched."""


@dataclass(slots=True)
class DeviceRequest:
    """``label`` is what the client says about itself, and ``address`` where it connected from."""

    user_code: str
    label: str
    address: str
    expires_at: datetime
    state: DeviceState = DeviceState.PENDING
    person: Caller | None = None


class DeviceFlow:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._requests: dict[str, DeviceRequest] = {}
        self._lock = threading.Lock()

    def start(self, label: str, address: str) -> tuple[str, DeviceRequest]:
        """The client's secret code, and its request. Raises TooManyPending."""
        with self._lock:
            self._forget_expired()
            self._make_room(client_network(address))
            code = secrets.token_urlsafe(32)
            shown = "".join(char for char in label if char.isprintable())[:MAX_LABEL]
            request = DeviceRequest(_new_user_code(), shown, address, self._clock() + LIFETIME)
            self._requests[tokens.hash_token(code)] = request
            return code, request

    def pending(self, user_code: str) -> DeviceRequest | None:
        """The request with a code as people type it."""
        wanted = "".join(char for char in user_code.upper() if char in _LETTERS)
        with self._lock:
            self._forget_expired()
            waiting = (item for item in self._requests.values() if item.state is DeviceState.PENDING)
            return next((item for item in waiting if item.user_code.replace("-", "") == wanted), None)

    def decide(self, request: DeviceRequest, person: Caller, approve: bool) -> None:
        with self._lock:
            if request.state is DeviceState.PENDING:
                request.state = DeviceState.APPROVED if approve else DeviceState.DENIED
                request.person = person

    def fetch(self, code: str) -> tuple[DeviceState, DeviceRequest | None]:
        """What became of the request. One that is decided is returned once, then forgotten."""
        with self._lock:
            self._forget_expired()
            key = tokens.hash_token(code)
            request = self._requests.get(key)
            if request is None:
                return DeviceState.UNKNOWN, None
            if request.state is not DeviceState.PENDING:
                del self._requests[key]
            return request.state, request

    def _make_room(self, client: str) -> None:
        """A client that starts too many is refused. If many do, the oldest request makes room, so that none of them
        keeps others from signing in."""
        waiting = [item for item in self._requests.values() if client_network(item.address) == client]
        if len(waiting) >= MAX_PENDING_PER_CLIENT:
            raise TooManyPending
        if len(self._requests) >= MAX_PENDING:
            del self._requests[next(iter(self._requests))]

    def _forget_expired(self) -> None:
        now = self._clock()
        self._requests = {key: item for key, item in self._requests.items() if now < item.expires_at}


def _new_user_code() -> str:
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
    return f"{letters[:4]}-{letters[4:]}"

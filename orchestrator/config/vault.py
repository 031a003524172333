"""The server's secrets for previews (S4): where their values are, whose eph.yaml may name them, and how they change.

A value leaves the vault at two doors only: into the spec of an operation that is about to begin, and into the list of
what no text may show. Everybody else gets its mark, made with the server's key: it changes with the value, and whoever
reads it, in a stack or in the digest of a spec, learns nothing and cannot try guesses.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from orchestrator.config.bounds import Grants
from orchestrator.config.sections import PreviewSecret
from orchestrator.core import globs
from orchestrator.core.moments import Rest
from programs.concealing import LEAST, Veil
from programs.spec import EnvironmentSpec, Secret

LOOK_AGAIN = timedelta(seconds=5)
LARGEST = 32 * 1024
MARK_DIGITS = 24
FORMER = 100
"""Values of earlier are kept out of texts too, for as long as ephd runs: old lines of a log hold them."""


class Unreadable(Exception):
    """Why there is no value; never the value."""


@dataclass(frozen=True, slots=True)
class _Held:
    """``value`` None: it cannot be read, and ``why``."""

    value: str | None
    mark: str = ""
    why: str = ""


class Vault:
    """Safe for several threads. A file is read again within seconds of its change."""

    def __init__(
        self,
        entries: Mapping[str, PreviewSecret] | None = None,
        key: bytes = b"",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._entries = dict(entries or {})
        self._key, self._clock, self._environ = key, clock, environ
        self._lock = threading.Lock()
        self._rest: Rest | None = None
        self._held: dict[str, _Held] = {}
        self._former: dict[str, None] = {}
        self._veil = Veil()

    def grants(self, repository: str, fork: bool) -> Grants:
        """For ``owner/name``, by the name that it has now."""
        held = self._look()
        mine = {name for name, entry in self._entries.items() if _is_for(entry, repository)}
        withheld = {name for name in mine if fork and not self._entries[name].forks}
        unread = {name for name in mine - withheld if held[name].value is None}
        given = {name: held[name].mark for name in sorted(mine - withheld - unread)}
        return Grants(given, frozenset(withheld), frozenset(unread))

    def state(self) -> str:
        """Changes when any value does."""
        return " ".join(item.mark or "-" for item in self._look().values())

    def unlocked(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """With the values, for an operation. One that has gone since the spec was made is left out; the next look sees
        that, too."""
        if not spec.secrets:
            return spec
        held = self._look()
        found = {variable: held.get(secret.name, _Held(None)) for variable, secret in spec.secrets.items()}
        secrets = {
            variable: Secret(spec.secrets[variable].name, item.mark, item.value)
            for variable, item in found.items()
            if item.value is not None
        }
        return replace(spec, secrets=secrets)

    def values(self) -> tuple[str, ...]:
        """All that no text may show."""
        held = self._look()
        with self._lock:
            return tuple(dict.fromkeys([*(item.value for item in held.values() if item.value), *self._former]))

    def veil(self, text: str) -> str:
        self._look()
        return self._veil(text)

    def problems(self) -> list[str]:
        return [f"secret {name}: {item.why}" for name, item in self._look().items() if item.value is None]

    def _look(self) -> Mapping[str, _Held]:
        with self._lock:
            if self._rest is None or not self._rest.lasts(self._clock()):
                self._rest = Rest(self._clock(), LOOK_AGAIN)
                self._read()
            return self._held

    def _read(self) -> None:
        held = {name: self._one(name, entry) for name, entry in sorted(self._entries.items())}
        if held == self._held:
            return
        for item in self._held.values():
            if item.value:
                self._former[item.value] = None
        while len(self._former) > FORMER:
            self._former.pop(next(iter(self._former)))
        self._held = held
        self._veil = Veil([*(item.value for item in held.values() if item.value), *self._former])

    def _one(self, name: str, entry: PreviewSecret) -> _Held:
        try:
            value = _value(entry, self._environ)
        except Unreadable as error:
            return _Held(None, why=str(error))
        text = f"{name}\0{value}".encode()
        return _Held(value, hmac.new(self._key, text, hashlib.sha256).hexdigest()[:MARK_DIGITS])


def _is_for(entry: PreviewSecret, repository: str) -> bool:
    """GitHub's names differ by more than capital letters."""
    return globs.any_matches((pattern.lower() for pattern in entry.repositories), repository.lower())


def _value(entry: PreviewSecret, environ: Mapping[str, str]) -> str:
    value = _from_file(entry) if entry.file else environ.get(entry.variable, "").rstrip("\r\n")
    where = str(entry.file or f"the variable {entry.variable}")
    if not value:
        raise Unreadable(f"{where} is empty; write the value into it")
    if "\0" in value:
        raise Unreadable(f"{where} holds a zero byte, which no variable can; encode it, such as in base64")
    if len(value) < LEAST:
        raise Unreadable(
            f"{where} holds {len(value)} characters; fewer than {LEAST} cannot be kept out of logs: take a longer one"
        )
    return value


def _from_file(entry: PreviewSecret) -> str:
    """Without the end of the line that editors add."""
    path = entry.file
    if path is None:
        raise AssertionError("one that has a variable")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}; name a readable file") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is not UTF-8; encode it, such as in base64") from None
    if len(data) > LARGEST:
        raise Unreadable(f"{path} holds more than {LARGEST} bytes, and is given in a variable; take a smaller one")
    return text.rstrip("\r\n")

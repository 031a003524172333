"""The server's secrets for previews (S4): where their values are, which repositories can use them, and how they change.

A value is exposed in two places only: in the spec of an operation that is about to start, and in the list of values to
redact. Everything else gets its mark, a keyed hash that changes with the value: anyone who reads it, in a stack or in
the digest of a spec, learns nothing and can't test guesses.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from orchestrator.config import wording
from orchestrator.config.eph_yaml.admission import SecretGrants
from orchestrator.config.settings.secret_tables import PreviewSecret, SecretProviders
from orchestrator.config.variable_vault import VariableVault
from orchestrator.core.model.variables import OVERRIDE_SECRET
from orchestrator.core.util import globs
from orchestrator.core.util.time_windows import TimeWindow
from orchestrator.secret_providers import readers
from orchestrator.secret_providers.port import MAX_SECRET_BYTES, UnreadableSecret
from orchestrator.secret_providers.readers import SecretReader
from programs.redaction import MIN_LENGTH, Redactor
from programs.spec import EnvironmentSpec, Secret

REREAD_INTERVAL = timedelta(seconds=5)
FINGERPRINT_DIGITS = 24
MAX_PREVIOUS_VALUES = 100
"""Earlier values are redacted, too, as long as ephd runs, because old log lines contain them."""


@dataclass(frozen=True, slots=True)
class _SecretValue:
    """``value`` None: it can't be read, because of ``error``. With a value, ``error`` says why it may be outdated."""

    value: str | None
    fingerprint: str = ""
    error: str = ""


class SecretStore:
    """Thread-safe. A changed value is noticed within seconds in a file, and within about a minute elsewhere.

    ``secret_readers`` are those of the providers that ``entries`` use; without it, they are opened with defaults.
    """

    def __init__(
        self,
        entries: Mapping[str, PreviewSecret] | None = None,
        key: bytes = b"",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        secret_readers: Mapping[str, SecretReader] | None = None,
        variable_keys: Sequence[bytes] = (),
    ) -> None:
        self._entries = dict(entries or {})
        self._key, self._clock = key, clock
        used = {entry.provider for entry in self._entries.values()}
        self._readers = secret_readers or readers.open_readers(used, SecretProviders(), clock)
        self._lock = threading.Lock()
        self._cache_age: TimeWindow | None = None
        self._values: dict[str, _SecretValue] = {}
        self._previous_values: dict[str, None] = {}
        self._redactor, self._redacts_version = Redactor(), 0
        self.variables = VariableVault(key, variable_keys)
        """The variables that people set for environments, whose secret values are redacted, too."""

    def grants(self, repository: str, fork: bool) -> SecretGrants:
        """For ``owner/name``, the repository's current name."""
        held = self._current()
        mine = {name for name, entry in self._entries.items() if _is_granted_to(entry, repository)}
        withheld = {name for name in mine if fork and not self._entries[name].forks}
        unread = {name for name in mine - withheld if held[name].value is None}
        given = {name: held[name].fingerprint for name in sorted(mine - withheld - unread)}
        return SecretGrants(given, frozenset(withheld), frozenset(unread))

    def fingerprint(self) -> str:
        """Changes when any value does."""
        return " ".join(item.fingerprint or "-" for item in self._current().values())

    def with_values(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        """Adds the values, for an operation. A secret that was removed since the spec was created is left out; the next
        cycle notices that, too."""
        if not spec.secrets:
            return spec
        held, ours, server = self._current(), {}, {}
        for variable, secret in spec.secrets.items():
            if secret.name == OVERRIDE_SECRET:
                ours[variable] = replace(secret, value=self.variables.value(secret.mark))
            else:
                server[variable] = secret
        found = {variable: held.get(secret.name, _SecretValue(None)) for variable, secret in server.items()}
        secrets = {
            variable: Secret(spec.secrets[variable].name, item.fingerprint, item.value)
            for variable, item in found.items()
            if item.value is not None
        }
        return replace(spec, secrets=secrets | ours)

    def values(self) -> tuple[str, ...]:
        """All values to redact."""
        held = self._current()
        with self._lock:
            return tuple(dict.fromkeys([*self._server_values(held), *self.variables.values()]))

    def redact(self, text: str) -> str:
        held = self._current()
        with self._lock:
            if self._redacts_version != self.variables.version:
                self._update_redactor(held)
            redactor = self._redactor
        return redactor(text)

    def problems(self) -> list[str]:
        return [wording.secrets.secret(name, item.error) for name, item in self._current().items() if item.error]

    def _current(self) -> Mapping[str, _SecretValue]:
        with self._lock:
            if self._cache_age is None or not self._cache_age.contains(self._clock()):
                self._cache_age = TimeWindow(self._clock(), REREAD_INTERVAL)
                self._reload()
            return self._values

    def _reload(self) -> None:
        held = {name: self._load(name, entry) for name, entry in sorted(self._entries.items())}
        if held == self._values:
            return
        for item in self._values.values():
            if item.value:
                self._previous_values[item.value] = None
        while len(self._previous_values) > MAX_PREVIOUS_VALUES:
            self._previous_values.pop(next(iter(self._previous_values)))
        self._values = held
        self._update_redactor(held)

    def _update_redactor(self, held: Mapping[str, _SecretValue]) -> None:
        self._redacts_version = self.variables.version
        self._redactor = Redactor([*self._server_values(held), *self.variables.values()])

    def _server_values(self, held: Mapping[str, _SecretValue]) -> list[str]:
        return [*(item.value for item in held.values() if item.value), *self._previous_values]

    def _load(self, name: str, entry: PreviewSecret) -> _SecretValue:
        reader = self._readers[entry.provider]
        reading = reader.read(entry.reference)
        if reading.value is None:
            return _SecretValue(None, error=reading.problem)
        try:
            value = _checked(reading.value, reader.describe(entry.reference))
        except UnreadableSecret as error:
            return _SecretValue(None, error=str(error))
        text = f"{name}\0{value}".encode()
        fingerprint = hmac.new(self._key, text, hashlib.sha256).hexdigest()[:FINGERPRINT_DIGITS]
        return _SecretValue(value, fingerprint, reading.problem)


def _is_granted_to(entry: PreviewSecret, repository: str) -> bool:
    """Git hosts ignore case in the names of repositories."""
    return globs.any_matches((pattern.lower() for pattern in entry.repositories), repository.lower())


def _checked(data: bytes, where: str) -> str:
    """The value without the newline that editors add at the end."""
    if len(data) > MAX_SECRET_BYTES:
        raise UnreadableSecret(wording.secrets.too_large(where, MAX_SECRET_BYTES))
    try:
        value = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UnreadableSecret(wording.secrets.not_utf_8(where)) from None
    if not value:
        raise UnreadableSecret(wording.secrets.empty(where))
    if "\0" in value:
        raise UnreadableSecret(wording.secrets.zero_byte(where))
    if len(value) < MIN_LENGTH:
        raise UnreadableSecret(wording.secrets.too_short(where, len(value), MIN_LENGTH))
    return value

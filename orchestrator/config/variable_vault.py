"""Encrypts the variables that people set for environments, so that they can be stored in the tags of stacks (Y5).

All variables of an environment are one ciphertext (AES-GCM), bound to its stack: copied to another one, it can't be
decrypted. The server has one key for them, and while that is being replaced, the earlier one, too. Values of secrets
leave this module in two ways only: into the spec of an operation that is about to start, and into the list of values to
redact.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestrator.config import wording
from orchestrator.core.model.variables import VariableOverrides
from stacks.model import StackRef

_NONCE_BYTES = 12
_MARK_DIGITS = 24
_MAX_EARLIER_VALUES = 200
"""Earlier values are redacted, too, as long as ephd runs, because old log lines contain them."""


@dataclass(frozen=True, slots=True)
class VariableValue:
    value: str = field(repr=False)
    secret: bool = False


class VariableVault:
    """Thread-safe. ``version`` changes with the values to redact."""

    def __init__(self, key: bytes, variable_keys: Sequence[bytes] = ()) -> None:
        """``key`` is the server's; ``variable_keys`` are those of ciphertexts, the newest first. By default, one is
        derived from ``key``."""
        self._ciphers = [AESGCM(each) for each in variable_keys or (variables_key(key),)]
        self._mark_key = _derived_key(key, b"marks of environment variables")
        self._lock = threading.Lock()
        self._opened: dict[tuple[StackRef, str], VariableOverrides] = {}
        self._values: dict[str, str] = {}
        """Of the secrets of all environments, by mark."""
        self._earlier: dict[str, str] = {}
        self.version = 0

    def seal(self, ref: StackRef, variables: Mapping[str, VariableValue]) -> VariableOverrides:
        """No variables give an empty text."""
        if not variables:
            return VariableOverrides()
        data = {name: [item.value, int(item.secret)] for name, item in sorted(variables.items())}
        nonce = os.urandom(_NONCE_BYTES)
        text = zlib.compress(json.dumps(data, separators=(",", ":")).encode())
        sealed = base64.urlsafe_b64encode(nonce + self._ciphers[0].encrypt(nonce, text, str(ref).encode())).decode()
        with self._lock:
            return self._overrides(ref, sealed, variables)

    def open(self, ref: StackRef, sealed: str) -> dict[str, VariableValue]:
        """Raises ValueError if it wasn't sealed with this server's key for this stack."""
        try:
            text = self._decrypt(base64.urlsafe_b64decode(sealed), str(ref).encode())
        except (InvalidTag, ValueError):
            raise ValueError(wording.secrets.VARIABLES_UNREADABLE) from None
        found = json.loads(zlib.decompress(text))
        return {name: VariableValue(value, bool(secret)) for name, (value, secret) in found.items()}

    def _decrypt(self, data: bytes, bound_to: bytes) -> bytes:
        for cipher in self._ciphers:
            with contextlib.suppress(InvalidTag):
                return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to)
        raise InvalidTag

    def read_all(self, sealed_by_stack: Mapping[StackRef, str]) -> dict[StackRef, VariableOverrides]:
        """The variables of all stacks that have any. What was read before isn't decrypted again."""
        with self._lock:
            found = {ref: self._read(ref, sealed) for ref, sealed in sealed_by_stack.items() if sealed}
            self._opened = {(ref, item.sealed): item for ref, item in found.items()}
            used = {mark for item in found.values() for mark in item.secrets.values()}
            for mark in [mark for mark in self._values if mark not in used]:
                self._earlier[mark] = self._values.pop(mark)
            while len(self._earlier) > _MAX_EARLIER_VALUES:
                self._earlier.pop(next(iter(self._earlier)))
                self.version += 1
            return found

    def value(self, mark: str) -> str:
        """The value of a secret. Raises LookupError."""
        with self._lock:
            value = self._values.get(mark) or self._earlier.get(mark)
        if value is None:
            raise LookupError(wording.secrets.VARIABLE_UNKNOWN)
        return value

    def values(self) -> tuple[str, ...]:
        """All values to redact."""
        with self._lock:
            return tuple(dict.fromkeys([*self._values.values(), *self._earlier.values()]))

    def _read(self, ref: StackRef, sealed: str) -> VariableOverrides:
        known = self._opened.get((ref, sealed))
        if known is not None:
            for mark in known.secrets.values():
                if mark in self._earlier:
                    self._values[mark] = self._earlier.pop(mark)
            return known
        try:
            return self._overrides(ref, sealed, self.open(ref, sealed))
        except ValueError as error:
            return VariableOverrides(sealed, error=str(error))

    def _overrides(self, ref: StackRef, sealed: str, variables: Mapping[str, VariableValue]) -> VariableOverrides:
        secrets = {name: self._mark(ref, name, item.value) for name, item in variables.items() if item.secret}
        for name, mark in secrets.items():
            if mark not in self._values:
                self._values[mark] = variables[name].value
                self.version += 1
        plain = {name: item.value for name, item in variables.items() if not item.secret}
        return VariableOverrides(sealed, plain, secrets)

    def _mark(self, ref: StackRef, name: str, value: str) -> str:
        text = f"{ref}\0{name}\0{value}".encode()
        return hmac.new(self._mark_key, text, hashlib.sha256).hexdigest()[:_MARK_DIGITS]


def variables_key(server_key: bytes) -> bytes:
    """The key for ciphertexts of a server whose keys were never rotated."""
    return _derived_key(server_key, b"environment variables")


def _derived_key(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, purpose, hashlib.sha256).digest()

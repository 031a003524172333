"""References to one key of a stored secret: ``PATH#KEY``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.secret_providers import wording
from orchestrator.secret_providers.port import UnreadableSecret
from programs.quoting import quote
from programs.settings import InvalidValue

_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True)
class KeyReference:
    """``key`` is empty if the secret as a whole is the value."""

    path: str
    key: str = ""


def split_key(reference: str) -> KeyReference:
    """``shop/stripe#key``. The key is everything behind the last ``#``."""
    path, separator, key = reference.rpartition("#")
    return KeyReference(path, key) if separator else KeyReference(reference)


def text_value(keys: Mapping[str, object], key: str, secret: str) -> bytes:
    """One key of a secret that consists of several. ``secret`` is what an error calls it. Raises UnreadableSecret."""
    value = keys.get(key)
    if value is None:
        raise UnreadableSecret(wording.no_such_key(secret))
    if not isinstance(value, str):
        raise UnreadableSecret(wording.not_text(secret))
    return value.encode()


def check_reference(reference: str, path_pattern: str, example: str, *, key_required: bool) -> None:
    """Raises InvalidValue with an example of a correct reference."""
    found = split_key(reference)
    key_fits = _KEY.fullmatch(found.key) if found.key or "#" in reference else not key_required
    if not (key_fits and re.fullmatch(path_pattern, found.path)):
        raise InvalidValue(wording.not_a_reference(quote(reference)), wording.use_a_value_such_as(example))

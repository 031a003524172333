"""The effective settings as text, for people. A value that could be secret is only reported as set."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from orchestrator.config.settings import loading
from orchestrator.config.settings.server_settings import ServerSettings

HIDDEN = "••••••"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=\?)\S+")
"""User and password of a URL, and its query."""


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """``name`` is dotted, as in eph.toml. ``is_default``: the operator didn't set another value."""

    name: str
    value: str
    is_default: bool


def effective(settings: ServerSettings) -> tuple[ShownSetting, ...]:
    return tuple(_shown(settings))


def _shown(settings: ServerSettings) -> Iterator[ShownSetting]:
    for path in loading.setting_paths():
        group: Any = settings
        for step in path[:-1]:
            group = getattr(group, step, None)
        if not isinstance(group, BaseModel) or path[-1] not in type(group).model_fields:
            continue  # of another Git host
        value = getattr(group, path[-1])
        field = type(group).model_fields[path[-1]]
        is_default = not field.is_required() and value == field.get_default(call_default_factory=True)
        yield ShownSetting(".".join(path), _text(value, secret=loading.may_be_secret(path)), is_default)


def _text(value: object, *, secret: bool) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case SecretStr():
            return HIDDEN if value.get_secret_value() else ""
        case Mapping():  # their values could be secret
            return ", ".join(sorted(map(str, value)))
        case list() | tuple() | set() | frozenset():
            return ", ".join(_text(item, secret=secret) for item in value)
        case str():
            return (HIDDEN if value else "") if secret else _CREDENTIALS.sub(HIDDEN, value)
        case BaseModel():
            return ", ".join(sorted(value.model_fields_set))
    return str(value)

"""A stack's outputs as addresses of the environment. Any value may come from the repository's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from programs.kit.errors import TargetError
from programs.targets.program import wording

DEFAULT_OUTPUTS = {"web": "url"}
MAX_URL = 2000
MAX_SHOWN = 50
MAX_VALUE = 200


@dataclass(frozen=True, slots=True)
class ProjectAddresses:
    """``urls`` by service, the environment's first. ``shown``: other outputs as text, without secrets."""

    urls: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)

    @property
    def location(self) -> str:
        return next(iter(self.urls.values()), "")


def addresses(outputs: Mapping[str, Any], wanted: Mapping[str, str]) -> ProjectAddresses:
    """``wanted`` maps services to outputs; empty: the output ``url``, if there is one."""
    mapping = dict(wanted) or {service: name for service, name in DEFAULT_OUTPUTS.items() if outputs.get(name)}
    urls = {service: _url(service, name, outputs) for service, name in mapping.items()}
    rest = {name: value for name, value in sorted(outputs.items()) if name not in mapping.values()}
    return ProjectAddresses(urls, {name[:100]: _show(rest[name]) for name in list(rest)[:MAX_SHOWN]})


def _url(service: str, name: str, outputs: Mapping[str, Any]) -> str:
    if name not in outputs:
        raise TargetError(wording.missing_output(service, name, sorted(outputs)[:MAX_SHOWN]))
    value = outputs[name]
    if not isinstance(value, str) or not _is_url(value):
        raise TargetError(wording.not_a_url(service, name))
    return value


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    plain = value.isascii() and value.isprintable() and not set(value) & set(" \"'<>\\`{}|^")
    usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and port != 0
    return plain and usable and len(value) <= MAX_URL


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return "".join(character for character in text[:MAX_VALUE] if character.isprintable())

"""Backends by the scheme of their URL, which is the setting ``backend_url``.

Each folder next to this module is a backend, and so is each entry point of the group ``eph.backends``: its ``ADAPTER``
says which schemes it opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from programs.quoting import quote
from programs.settings import InvalidValue
from stacks import adapters
from stacks.backends import wording
from stacks.backends.port import Backend, BackendAdapter

ENTRY_POINT_GROUP = "eph.backends"


def default_url(folder: Path) -> str:
    """The backend of a server whose settings name none."""
    return f"file://{folder}"


def open_backend(url: str) -> Backend:
    """Does no I/O. Raises InvalidValue."""
    scheme, separator, _ = url.partition("://")
    found = schemes().get(scheme if separator else "")
    if found is None:
        installed = ", ".join(sorted(schemes()))
        raise InvalidValue(wording.unknown_backend(quote(scheme)), wording.installed_backends(installed))
    return found.open(url)


@cache
def schemes() -> Mapping[str, BackendAdapter]:
    found = adapters.find(__package__, ENTRY_POINT_GROUP, BackendAdapter)
    return {scheme: adapter for adapter in found for scheme in adapter.schemes}

"""Git hosts by name: the folders of this package, and those that other packages register as ``eph.forges``.

An adapter's folder contains a module ``adapter`` with its ``ADAPTER``. No code outside the folder names it; the setting
``forge.kind`` selects it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Generic, TypeVar

from orchestrator import forges
from orchestrator.forges import wording
from orchestrator.forges.accounts import ForgeAccounts
from orchestrator.forges.app_setup import SetupRequest, SetupResult, ShowPage
from orchestrator.forges.port import Forge
from orchestrator.forges.settings import ForgeSettings
from orchestrator.forges.webhooks import WebhookParser
from programs.quoting import quote
from programs.settings import InvalidValue

ENTRY_POINT_GROUP = "eph.forges"
DEFAULT = "github"

S = TypeVar("S", bound=ForgeSettings)


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What an adapter is given besides its settings. ``poll_seconds``: between two cycles. ``cache_file``: where it can
    cache what it read (None: in memory); losing it costs only requests."""

    poll_seconds: float
    cache_file: Path | None = None


@dataclass(frozen=True, slots=True)
class ForgeAdapter(Generic[S]):
    """``settings_model``: the table ``[forge]``, whose field ``kind`` has the adapter's name as its default.
    ``webhooks`` None: this Git host sends none, and Eph reads it every interval."""

    settings_model: type[S]
    connect: Callable[[S, ConnectionContext], Forge]
    webhooks: WebhookParser | None = None
    accounts: Callable[[S], ForgeAccounts] | None = None
    """None: people can't sign in to Eph with their accounts there."""
    set_up: Callable[[SetupRequest, ShowPage], SetupResult] | None = None
    """Creates Eph's account and writes its settings. None: an operator does it."""


class UnknownForge(LookupError):
    """No adapter of that name is installed; the message lists those that are."""


def installed_forges() -> list[str]:
    return sorted({*_folders(), *(point.name for point in metadata.entry_points(group=ENTRY_POINT_GROUP))})


def get(name: str) -> ForgeAdapter[Any]:
    if name in _folders():
        adapter: ForgeAdapter[Any] = import_module(f"{forges.__name__}.{name}.adapter").ADAPTER
        return adapter
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP, name=name):
        installed: ForgeAdapter[Any] = point.load()
        return installed
    raise UnknownForge(wording.unknown_host(quote(name), ", ".join(installed_forges())))


def read_settings(table: Any) -> Any:
    """Parses the table ``[forge]`` with the model of the adapter that it names. The caller handles input that isn't a
    table."""
    if not isinstance(table, dict):
        return table
    try:
        model = get(str(table.get("kind", DEFAULT))).settings_model
    except UnknownForge as error:
        raise InvalidValue(str(error).rstrip("."), wording.SET_KIND, ("kind",)) from None
    return model.model_validate(table)


def default_settings() -> ForgeSettings:
    settings: ForgeSettings = get(DEFAULT).settings_model()
    return settings


def _folders() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(forges.__path__) if module.ispkg)

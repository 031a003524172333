"""Secret providers by name: the folders of this package, and those that other packages register as
``eph.secret_providers``.

An adapter's folder contains a module ``adapter`` with its ``ADAPTER``. No code outside the folder names it; a secret's
table in eph.toml does: ``[secrets.stripe]`` with ``NAME = "reference"``.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Generic, TypeVar

from orchestrator import secret_providers
from orchestrator.secret_providers import wording
from orchestrator.secret_providers.port import SecretProvider
from programs.settings import SettingsTable

ENTRY_POINT_GROUP = "eph.secret_providers"

S = TypeVar("S", bound=SettingsTable)


class NoProviderSettings(SettingsTable):
    """The table of a provider that has nothing to set."""


@dataclass(frozen=True, slots=True)
class SecretProviderAdapter(Generic[S]):
    """``reference_description`` documents its key in a secret's table. ``settings_model`` becomes the table
    ``[secret_providers.NAME]``. ``open`` does no I/O, and raises InvalidValue if a required setting is missing.
    ``check_reference`` raises InvalidValue."""

    reference_description: str
    settings_model: type[S]
    open: Callable[[S], SecretProvider]
    check_reference: Callable[[str], None]
    is_remote: bool = True
    """Whether reading can take long or fail because of a network, so that values are cached and read in the
    background."""


def installed_providers() -> list[str]:
    return sorted({*_folders(), *(point.name for point in metadata.entry_points(group=ENTRY_POINT_GROUP))})


def get(name: str) -> SecretProviderAdapter[Any]:
    """Raises LookupError if there is none of that name."""
    if name in _folders():
        adapter: SecretProviderAdapter[Any] = import_module(f"{secret_providers.__name__}.{name}.adapter").ADAPTER
        return adapter
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP, name=name):
        installed: SecretProviderAdapter[Any] = point.load()
        return installed
    raise LookupError(wording.unknown_provider(name, ", ".join(installed_providers())))


def settings_models() -> Mapping[str, type[SettingsTable]]:
    """The tables of those providers that have settings."""
    models = {name: get(name).settings_model for name in installed_providers()}
    return {name: model for name, model in models.items() if model.model_fields}


def open_provider(name: str, tables: object) -> SecretProvider:
    """``tables`` has an attribute for each provider with settings. Does no I/O. Raises InvalidValue."""
    adapter = get(name)
    settings = getattr(tables, name, None) or adapter.settings_model()
    return adapter.open(settings)


def _folders() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(secret_providers.__path__) if module.ispkg)

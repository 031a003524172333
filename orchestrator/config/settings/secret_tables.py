"""The tables ``[secrets.NAME]`` and ``[secret_providers]``, assembled from what the secret providers declare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, model_validator

from orchestrator.config import wording
from orchestrator.forges.settings import Repositories
from orchestrator.secret_providers import registry
from programs.settings import InvalidValue, SettingsTable


class PreviewSecretTable(SettingsTable):
    """A secret that previews can use: where its value is, and which repositories can use it.

    Each provider adds a field of its name, whose value refers to the secret there. Exactly one of them is set.
    """

    repositories: Repositories = Field(
        min_length=1, description="The repositories whose eph.yaml may use it: owner/name or owner/*."
    )
    forks: bool = Field(default=False, description="Whether approved commits of forks get it too.")

    @property
    def provider(self) -> str:
        return self._references()[0][0]

    @property
    def reference(self) -> str:
        return self._references()[0][1]

    def _references(self) -> list[tuple[str, str]]:
        names = registry.installed_providers()
        return [(name, getattr(self, name)) for name in names if getattr(self, name)]

    @model_validator(mode="after")
    def _check_source(self) -> PreviewSecretTable:
        found = self._references()
        if len(found) != 1:
            names = ", ".join(registry.installed_providers())
            raise InvalidValue(wording.secrets.ONE_SOURCE, wording.secrets.set_one_of(names))
        [(name, reference)] = found
        try:
            registry.get(name).check_reference(reference)
        except InvalidValue as error:
            raise InvalidValue(error.message, error.expected, (name,)) from None
        return self


class SecretProvidersTable(SettingsTable):
    """The connections to secret providers, one table each."""


def _reference_fields() -> dict[str, Any]:
    return {
        name: (str, Field(default="", description=registry.get(name).reference_description))
        for name in registry.installed_providers()
    }


def _provider_tables() -> dict[str, Any]:
    return {
        name: (model, Field(default_factory=model, description=(model.__doc__ or "").strip()))
        for name, model in registry.settings_models().items()
    }


if TYPE_CHECKING:
    PreviewSecret = PreviewSecretTable
    SecretProviders = SecretProvidersTable
else:
    PreviewSecret = create_model(
        "PreviewSecret", __base__=PreviewSecretTable, __module__=__name__, **_reference_fields()
    )
    SecretProviders = create_model(
        "SecretProviders", __base__=SecretProvidersTable, __module__=__name__, **_provider_tables()
    )

"""Environment variables, for the registry."""

from __future__ import annotations

import os

from orchestrator.secret_providers import wording
from orchestrator.secret_providers.port import UnreadableSecret
from orchestrator.secret_providers.registry import NoProviderSettings, SecretProviderAdapter


class SecretVariables:
    """Variables that ephd was started with. They don't change while it runs."""

    def describe(self, reference: str) -> str:
        return wording.variable(reference)

    def read(self, reference: str) -> bytes:
        value = os.environ.get(reference)
        if value is None:
            raise UnreadableSecret(wording.variable_not_set(self.describe(reference)))
        return value.encode(errors="surrogateescape")


def _check(reference: str) -> None:
    """Any text is a variable's name."""


ADAPTER = SecretProviderAdapter(
    "The environment variable of ephd that contains it.",
    NoProviderSettings,
    lambda _: SecretVariables(),
    _check,
    is_remote=False,
)

"""Files, for the registry."""

from __future__ import annotations

from pathlib import Path

from orchestrator.secret_providers import wording
from orchestrator.secret_providers.port import MAX_SECRET_BYTES, UnreadableSecret
from orchestrator.secret_providers.registry import NoProviderSettings, SecretProviderAdapter


class SecretFiles:
    """One file for each secret."""

    def describe(self, reference: str) -> str:
        return reference

    def read(self, reference: str) -> bytes:
        try:
            with Path(reference).open("rb") as file:
                return file.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise UnreadableSecret(wording.unreadable_file(reference, error.strerror)) from None


def _check(reference: str) -> None:
    """Any text is a path."""


ADAPTER = SecretProviderAdapter(
    "The file that contains the value.", NoProviderSettings, lambda _: SecretFiles(), _check, is_remote=False
)

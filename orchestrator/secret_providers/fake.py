"""A secret provider in memory, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.secret_providers.port import SecretProviderUnavailable, UnreadableSecret
from orchestrator.secret_providers.references import split_key


@dataclass
class FakeSecretProvider:
    """``stored``: the keys of each secret by path. ``denied``: paths that it refuses to return."""

    stored: dict[str, dict[str, bytes]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    is_down: bool = False
    reads: list[str] = field(default_factory=list)

    def describe(self, reference: str) -> str:
        return f"the secret {reference}"

    def read(self, reference: str) -> bytes:
        self.reads.append(reference)
        if self.is_down:
            raise SecretProviderUnavailable("the provider doesn't respond; start it")
        found = split_key(reference)
        if found.path in self.denied:
            raise UnreadableSecret(f"access to {self.describe(reference)} is denied; grant it")
        value = self.stored.get(found.path, {}).get(found.key)
        if value is None:
            raise UnreadableSecret(f"{self.describe(reference)} doesn't exist; create it")
        return value

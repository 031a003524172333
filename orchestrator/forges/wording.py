"""The Git host's terms, used in what Eph writes there and in errors about it."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.util import formatting
from stacks.model import Key, RefKind


@dataclass(frozen=True, slots=True)
class ForgeWords:
    """``host`` is the product's name. ``sigil`` stands between a repository and a number, as in ``acme/shop#42``."""

    host: str = "Git host"
    pull_request: str = "pull request"
    sigil: str = "#"
    check: str = "check"
    deployment: str = "deployment"

    def reference(self, repository: str, key: Key, ref_name: str = "") -> str:
        """``acme/shop#42``, as people write it; for a branch or a tag ``acme/shop@main``."""
        if key.kind is not RefKind.PULL:
            return formatting.reference(repository, key, ref_name)
        return f"{repository}{self.sigil}{key.number}"

    def report(self, kind: str) -> str:
        """The host's term for a report: ``comment``, ``check`` or ``deployment``."""
        return {"check": self.check, "deployment": self.deployment}.get(kind, kind)


DEFAULT_WORDS = ForgeWords()

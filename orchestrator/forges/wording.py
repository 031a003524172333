"""The Git host's terms, used in what Eph writes there and in errors about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


def unknown_host(name: str, installed: str) -> str:
    return f"Unknown Git host {name}. Installed: {installed}."


SET_KIND = "set forge.kind to one of these"


def not_a_repository(value: str) -> str:
    return f"{value} is not a repository"


REPOSITORY_EXAMPLE = "use owner/name, or owner/shop-* for several"


def webhook_url_example(kind: str) -> str:
    return f"use a value such as https://eph.example.com/api/v1/webhooks/{kind}"


NOT_A_URL = "this is not a URL"


def set_twice(key: str) -> str:
    return f"both {key} and {key}_file are set"


KEEP_ONE = "keep one of the two"
NOT_UTF_8 = "it is not UTF-8"


def file_unreadable(key: str, file: Path, reason: str | None) -> str:
    return f"forge.{key}_file: can't read {file}: {reason}"


USE_READABLE_FILE = "use a readable file"

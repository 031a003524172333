"""The setting ``images.credential_helpers``: which registry gets its credentials from which cloud.

An entry is ``HOST=KIND`` or ``HOST=KIND:FILE``, as in ``europe-docker.pkg.dev=gar:/etc/eph/gar.json``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.images import wording
from orchestrator.images.helpers import ecr
from orchestrator.images.helpers.acr import AcrHelper
from orchestrator.images.helpers.ecr import EcrHelper
from orchestrator.images.helpers.gar import GarHelper
from orchestrator.images.helpers.issued_credentials import CredentialHelper, RenewedCredentials

KINDS = ("ecr", "gar", "acr")


class InvalidCredentialHelper(ValueError):
    """An entry isn't ``HOST=KIND`` or ``HOST=KIND:FILE``; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class HelperEntry:
    host: str
    kind: str
    file: Path | None


def parse(entry: str) -> HelperEntry:
    host, _, rest = entry.partition("=")
    kind, _, file = rest.partition(":")
    if not host or kind not in KINDS:
        raise InvalidCredentialHelper(wording.invalid_helper(entry, ", ".join(KINDS)))
    if kind == "ecr" and (file or not ecr.is_registry(host)):
        raise InvalidCredentialHelper(wording.not_an_ecr_registry(host) if not file else wording.ecr_with_file(entry))
    if kind == "acr" and not file:
        raise InvalidCredentialHelper(wording.acr_without_file(entry))
    return HelperEntry(host, kind, Path(file) if file else None)


def create(entries: Iterable[str], plain_http: Collection[str] = ()) -> Mapping[str, RenewedCredentials]:
    """By host. ``plain_http``: the registries without TLS."""
    parsed = map(parse, entries)
    return {item.host: RenewedCredentials(_helper(item, plain_http), item.host) for item in parsed}


def _helper(entry: HelperEntry, plain_http: Collection[str]) -> CredentialHelper:
    if entry.kind == "acr" and entry.file:
        return AcrHelper(entry.file, plain_http=entry.host in plain_http)
    return GarHelper(entry.file) if entry.kind == "gar" else EcrHelper()

"""Data sources that the operator configures: masked snapshots, and read replicas.

Masks belong to the operator, never to the repository, because a pull request could remove its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from programs.spec import DatabaseSpec
from programs.targets.aws import wording
from programs.targets.aws.errors import AwsError
from programs.targets.aws.settings import AwsSettings, split_list

SNAPSHOT, READ_REPLICA = "snapshot", "read_replica"


@dataclass(frozen=True, slots=True)
class SnapshotSource:
    """``instance``: the RDS instance whose newest snapshot is restored. ``database``: the one in it that is used.
    ``mask``: the SQL that runs before anyone can reach the data."""

    instance: str
    database: str
    mask: str


def snapshot_source(settings: AwsSettings, item: DatabaseSpec) -> SnapshotSource:
    place = _named("snapshots", settings.snapshots, item)
    instance, _, database = place.partition("/")
    if not (instance and database):
        raise AwsError(wording.invalid_snapshot(item.source, place))
    masks = _pairs("masks", settings.masks)
    if item.source not in masks:
        raise AwsError(wording.mask_missing(item.source))
    return SnapshotSource(instance, database, _read("masks", masks[item.source]))


def replica_url(settings: AwsSettings, item: DatabaseSpec) -> str:
    """Contains the password of a read-only role."""
    url = _read("read_replicas", _named("read_replicas", settings.read_replicas, item)).strip()
    if not url.startswith(("postgresql://", "postgres://")):
        raise AwsError(wording.invalid_replica_url(item.source))
    return url


def _named(setting: str, text: str, item: DatabaseSpec) -> str:
    found = _pairs(setting, text)
    if item.source not in found:
        raise AwsError(wording.unknown_source(item.name, item.source, setting, ", ".join(sorted(found)) or "none"))
    return found[item.source]


def _pairs(setting: str, text: str) -> Mapping[str, str]:
    found = {}
    for entry in split_list(text):
        name, separator, value = entry.partition("=")
        if not (name and separator and value):
            raise AwsError(wording.not_a_pair(setting, entry))
        found[name] = value
    return found


def _read(setting: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise AwsError(wording.source_file_unreadable(setting, path, type(error).__name__)) from None

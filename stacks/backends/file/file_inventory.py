"""All stacks of ours, read from the store itself (docs/decisions: why not ``pulumi stack ls``).

Reading is incremental: a stack's files are read again only when their inode, size or time changed, so a quiet look at
a thousand stacks is a few thousand ``stat`` calls. One stack that cannot be read is ``unreadable`` and hides no other;
what cannot be listed, or went away as a whole, makes the snapshot incomplete, never empty.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from programs import registry
from stacks import names
from stacks.backends.file import history, locks
from stacks.backends.file.layout import FileBackend
from stacks.model import DEFAULT_TARGET, BuildInfo, PinnedImages, StackRecord, StackRef, StackSnapshot

_STACK_TYPE = "pulumi:pulumi:Stack"
_PROVIDER_TYPE_PREFIX = "pulumi:providers:"


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    """A record with the fingerprint of the files it was read from."""

    fingerprint: tuple[object, ...]
    record: StackRecord


@dataclass(slots=True)
class _Listing:
    ours: list[StackRef] = field(default_factory=list)
    foreign: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, project: str, files: list[str]) -> None:
        found = [StackRef(project, name.removesuffix(".json")) for name in files if name.endswith(".json")]
        mine = [ref for ref in found if names.parse(ref) is not None]
        self.ours += mine
        self.foreign += len(found) - len(mine)


class FileInventory:
    """The file backend. Safe to call from one thread at a time. ``was_used``: it is known to have held stacks."""

    def __init__(self, backend: Path, was_used: bool = False) -> None:
        self._backend = FileBackend(backend)
        self._cache: dict[StackRef, _CacheEntry] = {}
        self.was_used = was_used

    def snapshot(self) -> StackSnapshot:
        listing = self._list()
        seen = {ref: found for ref in sorted(listing.ours) if (found := self._read_cached(ref)) is not None}
        self._cache = seen
        return StackSnapshot(
            stacks={ref: self._with_locks(ref, found.record) for ref, found in seen.items()},
            complete=not listing.failures,
            reason="; ".join(listing.failures),
            foreign_count=listing.foreign,
        )

    def _list(self) -> _Listing:
        """A store that was never used holds none. One that is not there, or was used and is empty, is a disk that
        is not mounted: it says nothing."""
        listing = _Listing()
        root = self._backend.root
        try:
            (root if self.was_used else root.parent).stat()
            self.was_used = root.exists()
            projects = _entries(root / "stacks")
        except OSError as error:
            listing.failures.append(f"the backend's folder {root} cannot be read: {error.strerror}")
            return listing
        for project in projects:
            try:
                listing.add(project, _entries(root / "stacks" / project))
            except OSError as error:
                listing.failures.append(f"the stacks of {project} cannot be listed: {error.strerror}")
        return listing

    def _read_cached(self, ref: StackRef) -> _CacheEntry | None:
        """None when it went away since it was listed."""
        try:
            fingerprint = (
                _fingerprint(self._backend.state_file(ref)),
                _fingerprint(self._backend.tag_file(ref)),
                _fingerprint(self._backend.history_folder(ref)),
            )
            if fingerprint[0] is None:
                return None
            before = self._cache.get(ref)
            if before is not None and before.fingerprint == fingerprint and not before.record.unreadable:
                return before
            return _CacheEntry(fingerprint, _read(ref, self._backend))
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - whatever a state holds, it must not hide the other stacks
            past = history.read(self._backend.history_folder(ref))
            if self._backend.is_truncated_before_first_update(ref):  # a half-made one, to complete or destroy
                return _CacheEntry(
                    (), StackRecord(ref, tag=self._backend.read_tag(ref), history=past, pending_operations=1)
                )
            reason = f"its state cannot be read ({type(error).__name__}: {str(error)[:120]})"
            return _CacheEntry((), StackRecord(ref, history=past, unreadable=reason))

    def _with_locks(self, ref: StackRef, record: StackRecord) -> StackRecord:
        """Locks are read every time: whether an owner lives changes without any file changing."""
        found = locks.read(self._backend.folder, ref)
        return replace(record, locks=found) if found else record


def _entries(folder: Path) -> list[str]:
    """Names in a folder; none when it is a file, or went away with its last stack since it was listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(ref: StackRef, backend: FileBackend) -> StackRecord:
    deployment = _latest_deployment(json.loads(backend.state_file(ref).read_bytes()))
    resources = deployment.get("resources") or []
    built, tag = _build_info(resources), backend.read_tag(ref)
    return StackRecord(
        ref=ref,
        tag=tag,
        built=built,
        resource_count=sum(_is_resource(resource) for resource in resources),
        pending_operations=len(deployment.get("pending_operations") or []),
        history=history.read(backend.history_folder(ref)),
        target=built.target
        if built
        else _input_value(resources, registry.TARGET_INPUT) or (tag.target if tag else DEFAULT_TARGET),
        resource_names={part: name for part, name in map(_resource_name, filter(_is_resource, resources)) if part},
        name_from_state=_input_value(resources, registry.ENVIRONMENT_INPUT),
        pinned_images=_pinned_images(resources),
    )


def _latest_deployment(document: dict[str, Any]) -> dict[str, Any]:
    """The newest state in a checkpoint; empty when nothing was ever deployed. A wrong shape raises."""
    latest = document["checkpoint"].get("latest")
    if latest is None:
        return {}
    if not isinstance(latest, dict):
        raise TypeError("checkpoint.latest is not an object")
    return latest


def _is_resource(resource: dict[str, Any]) -> bool:
    kind = resource["type"]
    return kind != _STACK_TYPE and not kind.startswith(_PROVIDER_TYPE_PREFIX)


def _resource_name(resource: dict[str, Any]) -> tuple[str, str]:
    """Kind and id, and the name in the program; what has no id is nothing that could be looked for."""
    found = resource.get("id")
    kind, name = str(resource["type"]).rpartition(":")[2], str(resource.get("urn", "")).rpartition("::")[2]
    return (sys.intern(f"{kind}:{found}"), sys.intern(name)) if found else ("", "")


def _input_value(resources: list[dict[str, Any]], input_name: str) -> str:
    """Resources of ours are given the environment that they are of, and some its target (``registry.Target``)."""
    named = (item["inputs"].get(input_name) for item in resources if isinstance(item.get("inputs"), dict))
    return next((name for name in named if isinstance(name, str) and names.ENVIRONMENT_NAME.fullmatch(name)), "")


def _pinned_images(resources: list[dict[str, Any]]) -> PinnedImages | None:
    """What the program said of its images first of all (``registry.PINNED``)."""
    for item in resources:
        said = item["inputs"].get(registry.PINNED_INPUT) if isinstance(item.get("inputs"), dict) else None
        if isinstance(said, dict) and isinstance(said.get("commit"), str):
            return PinnedImages(said["commit"], _string_map(said.get("images")), _string_map(said.get("found")))
    return None


def _string_map(data: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in data.items()} if isinstance(data, dict) else {}


def _build_info(resources: list[dict[str, Any]]) -> BuildInfo | None:
    """The ``built`` output of the stack resource; None when it is not there whole."""
    outputs = next((item.get("outputs") for item in resources if item["type"] == _STACK_TYPE), None)
    data = (outputs or {}).get("built")
    if not isinstance(data, dict):
        return None
    try:
        return BuildInfo(
            commit=str(data["commit"]),
            spec_digest=str(data["spec_digest"]),
            program_version=str(data["program_version"]),
            target=str(data["target"]),
            url=str(data["url"]),
            urls={str(key): str(value) for key, value in data["urls"].items()},
            built_at=datetime.fromisoformat(str(data["at"])).astimezone(UTC),
            images=_string_map(data.get("images")),
            found=_string_map(data.get("found")),
        )
    except (KeyError, ValueError, AttributeError, OverflowError):
        return None

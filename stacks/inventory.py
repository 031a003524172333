"""All stacks of ours, read from the store itself (docs/decisions: why not ``pulumi stack ls``).

Reading is incremental: a stack's files are read again only when their inode, size or time changed, so a quiet look at
a thousand stacks is a thousand ``stat`` calls. One stack that cannot be read is ``unreadable`` and hides no other.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stacks import history, locks, names, tags
from stacks.model import Built, StackRecord, StackRef, StackSnapshot, Tag

_STACK_TYPE = "pulumi:pulumi:Stack"
_PROVIDERS = "pulumi:providers:"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A record with the fingerprint of the files it was read from."""

    print: tuple[object, ...]
    record: StackRecord


class FileInventory:
    """The file backend. Safe to call from one thread at a time."""

    def __init__(self, backend: Path) -> None:
        self._backend = backend
        self._root = backend / ".pulumi"
        self._seen: dict[StackRef, _Seen] = {}

    def snapshot(self) -> StackSnapshot:
        try:
            refs, foreign = self._refs()
        except OSError as error:
            return StackSnapshot(
                complete=False, reason=f"the backend's folder {self._root} cannot be listed: {error.strerror}"
            )
        self._seen = {ref: self._look(ref) for ref in refs}
        stacks = {ref: self._with_locks(ref, seen.record) for ref, seen in self._seen.items()}
        return StackSnapshot(stacks=stacks, foreign=foreign)

    def _refs(self) -> tuple[list[StackRef], int]:
        """Ours, and how many are not; a folder that is not there yet holds none."""
        ours: list[StackRef] = []
        foreign = 0
        for project in _folders(self._root / "stacks"):
            found = [StackRef(project, name.removesuffix(".json")) for name in _stack_files(self._root, project)]
            mine = [ref for ref in found if names.parse(ref) is not None]
            ours += mine
            foreign += len(found) - len(mine)
        return sorted(ours), foreign

    def _look(self, ref: StackRef) -> _Seen:
        state = self._root / "stacks" / ref.project / f"{ref.stack}.json"
        tag = state.with_name(f"{ref.stack}.pulumi-tags")
        past = self._root / "history" / ref.project / ref.stack
        fingerprint = (_print(state), _print(tag), _print(past))
        before = self._seen.get(ref)
        if before is not None and before.print == fingerprint and not before.record.unreadable:
            return before
        return _Seen(fingerprint, _read(ref, state, tag, past))

    def _with_locks(self, ref: StackRef, record: StackRecord) -> StackRecord:
        """Locks are read every time: whether an owner lives changes without any file changing."""
        found = locks.read(self._backend, ref)
        return replace(record, locks=found) if found else record


def _folders(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except FileNotFoundError:
        return []


def _stack_files(root: Path, project: str) -> list[str]:
    with os.scandir(root / "stacks" / project) as entries:
        return [entry.name for entry in entries if entry.name.endswith(".json")]


def _print(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(ref: StackRef, state: Path, tag: Path, past: Path) -> StackRecord:
    record = StackRecord(ref=ref, history=history.read(past))
    try:
        deployment = _deployment(json.loads(state.read_bytes()))
        own_tag = _tag(tag)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return replace(record, unreadable=f"its state cannot be read ({type(error).__name__}: {str(error)[:120]})")
    resources = deployment.get("resources") or []
    built = _built(resources)
    return replace(
        record,
        tag=own_tag,
        built=built,
        resources=sum(_counts(resource) for resource in resources),
        pending=len(deployment.get("pending_operations") or []),
        target=built.target if built else record.target,
    )


def _deployment(document: dict[str, Any]) -> dict[str, Any]:
    """The newest state in a checkpoint; empty when nothing was ever deployed. A wrong shape raises."""
    latest = document["checkpoint"].get("latest")
    if latest is None:
        return {}
    if not isinstance(latest, dict):
        raise TypeError("checkpoint.latest is not an object")
    return latest


def _counts(resource: dict[str, Any]) -> bool:
    kind = resource["type"]
    return kind != _STACK_TYPE and not kind.startswith(_PROVIDERS)


def _tag(path: Path) -> Tag | None:
    try:
        value = json.loads(path.read_bytes())["tags"].get(tags.KEY)
    except FileNotFoundError:
        return None
    return tags.decode(value) if isinstance(value, str) else None


def _built(resources: list[dict[str, Any]]) -> Built | None:
    """The ``built`` output of the stack resource; None when it is not there whole."""
    outputs = next((item.get("outputs") for item in resources if item["type"] == _STACK_TYPE), None)
    data = (outputs or {}).get("built")
    if not isinstance(data, dict):
        return None
    try:
        return Built(
            commit=str(data["commit"]),
            spec_digest=str(data["spec_digest"]),
            program_version=str(data["program_version"]),
            target=str(data["target"]),
            url=str(data["url"]),
            urls={str(key): str(value) for key, value in data["urls"].items()},
            at=datetime.fromisoformat(str(data["at"])).astimezone(UTC),
        )
    except (KeyError, ValueError, AttributeError):
        return None

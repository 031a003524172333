"""What the machine records about label deploys: their stacks' tags, their builds and the uploads, read as files."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacks import names
from stacks.model import RefKind, StackRef


@dataclass(frozen=True, slots=True)
class RecordedDeploy:
    """``commit`` is what the tag requests, ``built`` what the last successful update built. Without a tag that can be
    read, only ``ref`` and ``repository`` are set."""

    ref: StackRef
    repository: int
    label: str = ""
    commit: str = ""
    built: str = ""
    name: str = ""
    expires_at: int = 0

    @property
    def key(self) -> str:
        """As in the backend: the repository's ID and the stack's."""
        return f"{self.repository}#{self.ref.stack.partition('-')[2]}"


def read(backend: Path) -> list[RecordedDeploy]:
    """``backend``: the folder ``.pulumi`` of a file backend."""
    states = sorted((backend / "stacks").glob("*/deploy-*.json"))
    return [found for path in states if (found := _read_one(path)) is not None]


def uploads(eph_home: Path) -> dict[str, Path]:
    """The folder of each uploaded commit."""
    return {path.stem: path for path in (eph_home / "uploads").glob("*/*.git") if path.parent.name != "incoming"}


def unfinished_uploads(eph_home: Path) -> list[Path]:
    return sorted((eph_home / "uploads" / "incoming").glob("*"))


def _read_one(state: Path) -> RecordedDeploy | None:
    ref = StackRef(state.parent.name, state.stem)
    key = names.parse(ref)
    if key is None or key.kind is not RefKind.DEPLOY:
        return None
    data = _tag(state.with_name(f"{state.stem}.pulumi-tags"))
    if "label" not in data or "until" not in data:
        return RecordedDeploy(ref, key.repository)
    return RecordedDeploy(
        ref=ref,
        repository=key.repository,
        label=data["label"],
        commit=data["sha"],
        built=_built_commit(state),
        name=data["env"],
        expires_at=abs(int(data["until"])),
    )


def _tag(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found: dict[str, Any] = json.loads(json.loads(path.read_text())["tags"]["eph"])
        return found
    return {}


def _built_commit(state: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        resources = json.loads(state.read_text())["checkpoint"]["latest"]["resources"]
        stack = next(item for item in resources if item["type"] == "pulumi:pulumi:Stack")
        return str(stack["outputs"]["built"]["commit"])
    return ""

"""The versions of an app (M6): the active one, the ephemeral ones under a label, and those that either replaced.

All of it follows from the environments and the histories of their stacks, so losing the event log loses no version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from stacks.model import RefKind

MAX_REPLACED = 10
"""Per environment, the newest."""


class VersionKind(StrEnum):
    ACTIVE = "active"
    """What the app's own route serves."""
    EPHEMERAL = "ephemeral"
    """A label deploy."""
    REPLACED = "replaced"
    """It was one of the others until a newer commit replaced it."""


@dataclass(frozen=True, slots=True)
class Version:
    """``label``: of a label deploy, or of the one that it was. ``environment``: the stack, as project/stack.
    ``images``: what it runs, by name, pinned to digests; of a replaced version they aren't known any more."""

    kind: VersionKind
    repository: str
    app: str
    label: str
    commit: str
    built_at: datetime | None
    by: str
    environment: str
    phase: Phase | None = None
    url: str = ""
    expires_at: datetime | None = None
    images: Mapping[str, str] = field(default_factory=dict)


def list_versions(views: Iterable[EnvironmentView], repository: str = "") -> list[Version]:
    """Grouped by repository: active, ephemeral by label, then replaced, the newest first. An empty ``repository``
    selects all."""
    wanted = [view for view in views if not repository or view.repository.lower() == repository.lower()]
    return sorted((version for view in wanted for version in _versions_of(view)), key=_position)


def _versions_of(view: EnvironmentView) -> Iterator[Version]:
    kind = _kind(view)
    if kind is None or not view.commit:
        return
    label = view.ref_name if kind is VersionKind.EPHEMERAL else ""
    yield Version(
        kind=kind,
        repository=view.repository,
        app=view.app,
        label=label,
        commit=view.commit,
        built_at=view.built_at,
        by=view.author,
        environment=str(view.ref),
        phase=view.phase,
        url=view.url,
        expires_at=view.expires_at,
        images=view.built_images,
    )
    for build in view.earlier_builds[:MAX_REPLACED]:
        replaced = VersionKind.REPLACED
        yield Version(replaced, view.repository, view.app, label, build.commit, build.built_at, "", str(view.ref))


def _kind(view: EnvironmentView) -> VersionKind | None:
    if view.key is None or view.phase is Phase.DESTROYED:
        return None
    if view.key.kind is RefKind.DEPLOY:
        return VersionKind.EPHEMERAL
    is_active = view.key.kind is RefKind.BRANCH and view.app and view.host == view.app
    return VersionKind.ACTIVE if is_active else None


def _position(version: Version) -> tuple[object, ...]:
    order = list(VersionKind).index(version.kind)
    newest_first = -version.built_at.timestamp() if version.built_at is not None else 0.0
    by_label = "" if version.kind is VersionKind.REPLACED else version.label
    return version.repository, order, by_label, newest_first, version.commit

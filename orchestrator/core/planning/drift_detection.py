"""Detects drift: resources in a stack's state that are missing or changed on its target.

Drift is detected in every cycle, repaired at once, and reported. Only those kinds of resources are compared that the
target can list; if a target can't be read, it has no drift. Names are the program's: ``database-main`` is the database
main.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core import wording
from programs.drift_wording import DriftWording
from programs.inventory import DRIFTED, PROCESS_KINDS
from stacks.model import StackRecord

LiveParts = Mapping[str, frozenset[str]]
"""The ids of all live resources on a target, by kind. For DRIFTED and PROCESS_KINDS, see
``programs.registry.DetectsDrift``."""


class DriftKind(StrEnum):
    GONE = "gone"
    STOPPED = "stopped"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, order=True)
class Drift:
    """A resource by its name in the program, and what happened to it."""

    name: str
    kind: DriftKind = DriftKind.GONE


def detect(record: StackRecord, live_parts: LiveParts) -> tuple[Drift, ...]:
    """The resources that are missing or changed, in order."""
    if not live_parts or record.built is None or record.unreadable:
        return ()
    changed = live_parts.get(DRIFTED, frozenset())
    found = []
    for part, name in record.resource_names.items():
        kind, _, id_ = part.partition(":")
        there = live_parts.get(kind)
        if there is not None and id_ not in there:
            is_process = kind in live_parts.get(PROCESS_KINDS, frozenset())
            found.append(Drift(name, DriftKind.STOPPED if is_process else DriftKind.GONE))
        elif part in changed:
            found.append(Drift(name, DriftKind.CHANGED))
    return tuple(sorted(found))


def describe(drifts: Sequence[Drift], drift_wording: DriftWording) -> str:
    """Why an update starts."""
    return wording.drift.found(_reported(drifts, drift_wording))


def describe_repair(drifts: Sequence[Drift], part_names: Iterable[str], drift_wording: DriftWording) -> str:
    """What is reported afterwards. ``part_names`` are the names of all resources; they show whether a database is
    seeded."""
    everything = set(part_names)
    without = _without_contained(drifts, drift_wording)
    seeded = any(drift_wording.is_seeded(drift.name, everything) for drift in without)
    return wording.drift.repaired(_reported(drifts, drift_wording), seeded)


def _reported(drifts: Sequence[Drift], drift_wording: DriftWording) -> dict[str, str]:
    return {drift_wording.display_name(drift.name): drift.kind for drift in _without_contained(drifts, drift_wording)}


def _without_contained(drifts: Sequence[Drift], wording: DriftWording) -> Sequence[Drift]:
    return [drift for drift in drifts if drift.name in wording.containers and drift.kind is DriftKind.GONE] or drifts

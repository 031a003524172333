"""What a stack's state knows and its target no longer has as it was made: noticed at each look, repaired at once, told.

Compared are only the kinds of parts that a target says it can look at; a target that could not be looked at says
nothing. Names are the program's own: ``database-main`` is the database main.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core import reasons
from programs.holdings import CHANGED
from stacks.model import StackRecord

Standing = Mapping[str, frozenset[str]]
"""By kind, the ids of all that stands on a target; under CHANGED, what does so otherwise than it was made."""
WHOLE = "namespace"
"""With it goes everything in it: nothing else needs to be named."""
NAMED = 3


class Loss(StrEnum):
    GONE = "gone"
    STOPPED = "stopped"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, order=True)
class Drift:
    """A part by its name in the program, and what became of it."""

    name: str
    loss: Loss = Loss.GONE


_NOW = {Loss.GONE: "is gone", Loss.STOPPED: "does not run", Loss.CHANGED: "was changed by somebody else"}
_THEN = {Loss.GONE: "was gone", Loss.STOPPED: "did not run", Loss.CHANGED: "had been changed by somebody else"}
_DONE = {Loss.GONE: "made", Loss.STOPPED: "started", Loss.CHANGED: "made"}


def lost(record: StackRecord, standing: Standing) -> tuple[Drift, ...]:
    """The parts that are not there any more, or not as they were made, in order."""
    if not standing or record.built is None or record.unreadable:
        return ()
    changed = standing.get(CHANGED, frozenset())
    found = []
    for part, name in record.parts.items():
        kind, _, id_ = part.partition(":")
        there = standing.get(kind)
        if there is not None and id_ not in there:
            runs = kind == "Service" and record.target == "local"  # there a service is a process
            found.append(Drift(name, Loss.STOPPED if runs else Loss.GONE))
        elif part in changed:
            found.append(Drift(name, Loss.CHANGED))
    whole = [drift for drift in found if drift.name == WHOLE and drift.loss is Loss.GONE]
    return tuple(whole or sorted(found))


def noticed(drifts: Sequence[Drift]) -> str:
    """``the database main is gone``: why an update starts."""
    return _listed([f"the {_called(drift.name)} {_NOW[drift.loss]}" for drift in drifts])


def mended(drifts: Sequence[Drift], known: Iterable[str]) -> str:
    """``the database main was gone; it was made and seeded again``: what is told afterwards. ``known`` are the names of
    all parts, which say whether a database is seeded."""
    everything = set(known)
    gone = [drift.name for drift in drifts if drift.name.startswith("database-")]
    seeded = any(name.replace("database-", "seed-", 1) in everything for name in gone)
    verbs = {_DONE[drift.loss] for drift in drifts} | ({"seeded"} if seeded else set())
    they = "it was" if len(drifts) == 1 else "they were"
    was = _listed([f"the {_called(drift.name)} {_THEN[drift.loss]}" for drift in drifts])
    return f"{was}; {they} {reasons.listing(verbs)} again"


def _listed(sentences: list[str]) -> str:
    more = len(sentences) - NAMED
    told = ", ".join(sentences[:NAMED])
    return f"{told}, and {reasons.count(more, 'more part')}" if more > 0 else told


def _called(name: str) -> str:
    kind, dash, rest = name.partition("-")
    return f"{kind} {rest}" if dash else kind

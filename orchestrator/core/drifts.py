"""What a stack's state knows and its target no longer has: noticed at each look, repaired at once, and told.

Compared are only the kinds of parts that a target says it can look at; a target that could not be looked at says
nothing. Names are the program's own: ``database-main`` is the database main.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.core import reasons
from stacks.model import StackRecord

Standing = Mapping[str, frozenset[str]]
"""By kind, the ids of all that stands on a target."""
_NOT_GONE = {"service": ("does not run", "did not run", "started")}
_GONE = ("is gone", "was gone", "made")


def lost(record: StackRecord, standing: Standing) -> tuple[str, ...]:
    """The names of the parts that are not there any more, in order."""
    if not standing or record.built is None or record.unreadable:
        return ()
    found = []
    for part, name in record.parts.items():
        kind, _, id_ = part.partition(":")
        there = standing.get(kind)
        if there is not None and id_ not in there:
            found.append(name)
    return tuple(sorted(found))


def noticed(names: Iterable[str]) -> str:
    """``the database main is gone``: why an update starts."""
    return ", ".join(f"the {_called(name)} {_words(name)[0]}" for name in names)


def mended(names: Iterable[str], known: Iterable[str]) -> str:
    """``the database main was gone; it was made and seeded again``: what is told afterwards. ``known`` are the names of
    all parts, which say whether a database is seeded."""
    listed, everything = list(names), set(known)
    seeded = any(name.replace("database-", "seed-", 1) in everything for name in listed if name.startswith("database-"))
    verbs = {_words(name)[2] for name in listed} | ({"seeded"} if seeded else set())
    they = "it was" if len(listed) == 1 else "they were"
    was = ", ".join(f"the {_called(name)} {_words(name)[1]}" for name in listed)
    return f"{was}; {they} {reasons.listing(verbs)} again"


def _called(name: str) -> str:
    kind, dash, rest = name.partition("-")
    return f"{kind} {rest}" if dash else kind


def _words(name: str) -> tuple[str, str, str]:
    return _NOT_GONE.get(name.partition("-")[0], _GONE)

"""What happened to resources outside of Eph, and how they were repaired."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from orchestrator.core.util import formatting

MAX_NAMED = 3
_PRESENT_TENSE = {"gone": "is gone", "stopped": "isn't running", "changed": "was changed outside of Eph"}
_PAST_TENSE = {"gone": "was gone", "stopped": "wasn't running", "changed": "had been changed outside of Eph"}
_REPAIR_VERBS = {"gone": "recreated", "stopped": "restarted", "changed": "restored"}


def found(kinds: Mapping[str, str]) -> str:
    """``kinds``: what happened to each resource, by its name. ``the database main is gone``."""
    return _join_limited([f"the {name} {_PRESENT_TENSE[kind]}" for name, kind in kinds.items()])


def repaired(kinds: Mapping[str, str], seeded: bool) -> str:
    """``the database main was gone; it was recreated and seeded``."""
    verbs: Collection[str] = {_REPAIR_VERBS[kind] for kind in kinds.values()} | ({"seeded"} if seeded else set())
    they = "it was" if len(kinds) == 1 else "they were"
    was = _join_limited([f"the {name} {_PAST_TENSE[kind]}" for name, kind in kinds.items()])
    return f"{was}; {they} {formatting.join_words(verbs)}"


def _join_limited(sentences: Sequence[str]) -> str:
    more = len(sentences) - MAX_NAMED
    listed = ", ".join(sentences[:MAX_NAMED])
    return f"{listed}, and {formatting.count(more, 'more resource')}" if more > 0 else listed

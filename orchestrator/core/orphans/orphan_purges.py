"""Finds leftovers on targets that belong to no stack and no pull request.

They remain after a creation that ended before its stack was recorded, or after a destroy whose record was removed
first. They are only looked for if all stacks could be read. A stack whose name isn't known (half-created, unreadable)
protects every name that ends in its number: a leftover may stay for another cycle, but a live environment must never be
purged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.core import wording
from orchestrator.core.desired.desired_state import DesiredState, Unwanted
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.planning.plan_actions import Purge


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Names in use, and the numbers of stacks whose name isn't known."""

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()

    def covers(self, name: str) -> bool:
        return name in self.names or name.rpartition("-")[2] in self.numbers


def known_names(environments: Iterable[tuple[EnvironmentFacts, bool]]) -> KnownNames:
    """``environments``: each with whether it is wanted."""
    names: set[str] = set()
    numbers: set[str] = set()
    for subject, wanted in environments:
        exists = subject.record is not None or subject.running is not None
        if not exists and not wanted:
            continue
        names.add(subject.name)
        named = subject.record is not None and bool(subject.record.name) and not subject.has_foreign_tag
        # A foreign tag contains another environment's name, so protect by number.
        if not named and (exists or not subject.name):
            numbers.add(subject.key.id)
    return KnownNames(frozenset(names), frozenset(numbers))


def purges(
    target_environments: Mapping[str, frozenset[str]], environments: Iterable[tuple[EnvironmentFacts, DesiredState]]
) -> list[Purge]:
    if not any(target_environments.values()):
        return []
    known = known_names((subject, not isinstance(state, Unwanted)) for subject, state in environments)
    return [
        Purge(target, name, wording.leftover(target, name))
        for target in sorted(target_environments)
        for name in sorted(target_environments[target])
        if not known.covers(name)
    ]

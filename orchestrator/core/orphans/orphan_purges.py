"""What targets hold under names that nothing accounts for: the rest of a creation that broke off before its stack was
recorded, or of a destroy whose record went first.

Looked for only when all stacks are known. A stack whose own name is not known (half-made, unreadable) protects
every name that ends in its number: better a leftover for one more cycle than the parts of a living environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.core.desired.desired_state import DesiredState, Unwanted
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.planning.plan_actions import Purge


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that something stands for: whole ones, and numbers where a stack's own name is not known."""

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()

    def covers(self, name: str) -> bool:
        return name in self.names or name.rpartition("-")[2] in self.numbers


def known_names(environments: Iterable[tuple[EnvironmentFacts, bool]]) -> KnownNames:
    """By each subject and whether it is wanted."""
    names: set[str] = set()
    numbers: set[str] = set()
    for subject, wanted in environments:
        exists = subject.record is not None or subject.running is not None
        if not exists and not wanted:
            continue
        names.add(subject.name)
        told = subject.record is not None and bool(subject.record.name) and not subject.has_foreign_tag
        # A tag that is another's names the other; what this one is called, its number must tell.
        if not told and (exists or not subject.name):
            numbers.add(subject.key.id)
    return KnownNames(frozenset(names), frozenset(numbers))


def purges(
    target_environments: Mapping[str, frozenset[str]], environments: Iterable[tuple[EnvironmentFacts, DesiredState]]
) -> list[Purge]:
    if not any(target_environments.values()):
        return []
    known = known_names((subject, not isinstance(wish, Unwanted)) for subject, wish in environments)
    return [
        Purge(target, name, f"the target {target} still has {name}, but no stack or pull request exists for it")
        for target in sorted(target_environments)
        for name in sorted(target_environments[target])
        if not known.covers(name)
    ]

"""Finds leftovers on targets that belong to no stack and no pull request.

They remain after a creation that ended before its stack was recorded, or after a destroy whose record was removed
first. They are only looked for if all stacks could be read. A stack whose environment's name isn't known (half-created,
unreadable) protects every name that it could have: a leftover may stay for another cycle, but a live environment must
never be purged. The name of a pull request's environment contains its number, anywhere; that of a branch, a tag or a
label deploy can be any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.core import wording
from orchestrator.core.desired.desired_state import DesiredState, Unwanted
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.planning.plan_actions import Purge
from stacks.model import RefKind


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Names in use, and the numbers of the pull requests whose environment's name isn't known. ``any_other``: a stack
    exists whose environment could have any name."""

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    any_other: bool = False

    def covers(self, name: str) -> bool:
        return self.any_other or name in self.names or any(number in name for number in self.numbers)


def known_names(environments: Iterable[tuple[EnvironmentFacts, bool]]) -> KnownNames:
    """``environments``: each with whether it is wanted."""
    names: set[str] = set()
    numbers: set[str] = set()
    any_other = False
    for subject, wanted in environments:
        exists = subject.record is not None or subject.running is not None
        if not exists and not wanted:
            continue
        names |= {subject.name, subject.running.name if subject.running else ""}
        if _is_named(subject) or (subject.name and not exists):
            continue
        if subject.key.kind is RefKind.PULL:
            numbers.add(subject.key.id)
        else:  # before anything exists, an unreadable eph.yaml protects nothing
            any_other = any_other or exists
    return KnownNames(frozenset(names - {""}), frozenset(numbers), any_other)


def _is_named(environment: EnvironmentFacts) -> bool:
    """Whether what exists has exactly the name that is known. A foreign tag contains another environment's name."""
    if environment.record is None:
        return environment.running is not None and bool(environment.running.name)
    return bool(environment.record.name) and not environment.has_foreign_tag


def purges(
    target_environments: Mapping[str, frozenset[str]], environments: Iterable[tuple[EnvironmentFacts, DesiredState]]
) -> list[Purge]:
    if not any(target_environments.values()):
        return []
    known = known_names((subject, not isinstance(state, Unwanted)) for subject, state in environments)
    return [
        Purge(target, name, wording.orphans.leftover(target, name))
        for target in sorted(target_environments)
        for name in sorted(target_environments[target])
        if not known.covers(name)
    ]

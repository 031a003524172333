"""How Eph reports that a target's resources are gone or were changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DriftWording:
    """Refers to resources by their names in the target's program, such as ``database-main``.

    ``containers`` are resources that hold all others: if one is gone, only it is reported. ``seeds`` maps the prefix of
    resources that lose data to the prefix of those that restore it.
    """

    containers: frozenset[str] = frozenset()
    seeds: Mapping[str, str] = field(default_factory=dict)

    def display_name(self, name: str) -> str:
        kind, dash, rest = name.partition("-")
        return f"{kind} {rest}" if dash else kind

    def is_seeded(self, name: str, all_names: Iterable[str]) -> bool:
        """Whether recreating the resource seeds it."""
        everything = set(all_names)
        return any(
            name.startswith(prefix) and seed + name.removeprefix(prefix) in everything
            for prefix, seed in self.seeds.items()
        )

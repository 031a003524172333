"""Maps the groups of a person at the identity provider to a role. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.auth.identities import Role

EVERYONE = "*"
"""In a list of groups: everyone whom the identity provider lets in."""


@dataclass(frozen=True, slots=True)
class RolePolicy:
    """The groups that have each role."""

    viewers: frozenset[str] = frozenset()
    developers: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()

    def role(self, groups: Collection[str]) -> Role | None:
        """The highest role of the groups; None if none of them has one."""
        for role, allowed in (
            (Role.ADMIN, self.admins),
            (Role.DEVELOPER, self.developers),
            (Role.VIEWER, self.viewers),
        ):
            # A provider could have a group with that name.
            if EVERYONE in allowed or not allowed.isdisjoint(set(groups) - {EVERYONE}):
                return role
        return None

"""Callers: who they are, what they may do, and for which repositories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from orchestrator.core.util import globs


class Role(IntEnum):
    """Each role includes the ones before it."""

    VIEWER = 1
    DEVELOPER = 2
    """Acts on single environments: up, down, extend, wake."""
    ADMIN = 3
    """Acts on the service: sweep, approve a held plan."""


@dataclass(frozen=True, slots=True)
class Caller:
    """``name`` is what the audit trail shows. ``repositories`` are patterns such as ``acme/*``; empty means all.

    ``person`` is empty for a service. ``token`` is the ID of the token that the caller used, ``expires_at`` its end,
    and ``max_deploys`` the most live label deploys of ``name`` with which it can create one; 0 means no limit.
    """

    name: str
    role: Role | None
    repositories: tuple[str, ...] = ()
    person: str = ""
    token: str = ""
    expires_at: datetime | None = None
    max_deploys: int = 0

    def may(self, role: Role) -> bool:
        return self.role is not None and self.role >= role

    @property
    def is_scoped(self) -> bool:
        """Whether it is restricted to some repositories, and so can't act on the service."""
        return bool(self.repositories)

    def covers(self, repository: str) -> bool:
        """Git hosts ignore case in the names of repositories."""
        if not self.repositories:
            return True
        return globs.any_matches((pattern.lower() for pattern in self.repositories), repository.lower())


ANONYMOUS = Caller("anonymous", None)

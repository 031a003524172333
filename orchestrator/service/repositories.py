"""Finds a repository that the server manages by its name."""

from __future__ import annotations

from orchestrator.forges.port import Repository
from orchestrator.runtime.cycles import Cycles
from orchestrator.service import first_cycle
from orchestrator.service.deploys import wording as deploy_wording
from orchestrator.service.port import RefusalReason, RequestRefused


def find(cycles: Cycles, name: str) -> Repository:
    """An empty name selects the only one. Raises RequestRefused or TemporarilyUnavailable."""
    known = first_cycle.require(cycles.latest).forge.repositories.values()
    found = [each for each in known if not name or each.full_name.lower() == name.lower()]
    if len(found) == 1:
        return found[0]
    raise RequestRefused(
        RefusalReason.UNKNOWN_REPOSITORY, deploy_wording.unknown_app(name, sorted(each.full_name for each in known))
    )

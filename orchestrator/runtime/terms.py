"""The start of a term: recovers what earlier leaders left and forgets what another replica may have changed.

One replica alone begins one term, when it starts: it ends the operations of its earlier process. With replicas, the
operations of earlier leaders are ended when they are proven dead (``remote_operations``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime import wording
from orchestrator.runtime.facts.loop_facts import LoopFacts
from orchestrator.runtime.facts.remembered_fact import RecalledFacts
from orchestrator.runtime.leadership import Leadership
from orchestrator.runtime.operations.journal import Journal
from orchestrator.runtime.ports import ManagedGateway
from orchestrator.runtime.suites.suite_runner import SuiteRunner
from stacks.executors.port import Executor


class TermListener(Protocol):
    def start_term(self) -> None:
        """Forgets what was remembered before this term."""


@dataclass(frozen=True, slots=True)
class TermDependencies:
    """``address`` is the URL of this replica. ``listeners`` remember what they did in earlier terms."""

    leadership: Leadership
    journal: Journal
    facts: LoopFacts
    operations: Executor
    suites: SuiteRunner
    gateway: ManagedGateway
    address: str
    listeners: Sequence[TermListener]


class Terms:
    def __init__(self, dependencies: TermDependencies) -> None:
        self._dependencies = dependencies

    async def ensure_term(self) -> None:
        """Begins a new term if this replica holds a new lease."""
        leadership = self._dependencies.leadership
        epoch = leadership.pending_term()
        if not epoch:
            return
        await self._prepare()
        leadership.begin_term(epoch)
        if leadership.has_replicas:
            message = wording.events.new_leader(self._dependencies.address, epoch)
            self._dependencies.journal.record(EventKind.LEADER_CHANGED, message)

    async def _prepare(self) -> None:
        self._dependencies.facts.start_term(await asyncio.to_thread(self._recall))
        for listener in self._dependencies.listeners:
            listener.start_term()

    def _recall(self) -> RecalledFacts:
        """Blocking."""
        self._recover()
        journal = self._dependencies.journal
        return RecalledFacts(
            results=tuple(self._dependencies.operations.last_results()),
            repairs=journal.recall_repairs(),
            guarded_destroys=journal.recall_guarded_destroys(),
            image_waits=journal.recall_image_waits(),
        )

    def _recover(self) -> None:
        parts = self._dependencies
        parts.suites.recover()
        if parts.leadership.has_replicas:
            parts.gateway.write_api_url(parts.address)
        else:
            for ref in parts.operations.recover().ended:
                parts.journal.record(EventKind.OPERATION_RECOVERED, wording.events.LEFTOVER_OPERATION_STOPPED, str(ref))

"""Resets databases of an environment on a person's request (D4).

The next plan contains an update that drops the database first. It then creates, seeds and migrates it again, as it does
for a database that was lost, and everything else stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.core.model.world import Intent, IntentKind
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import GONE
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service.changes import wording
from orchestrator.service.port import RefusalReason, RequestRefused
from programs.registry import ResetsDatabases, Target
from programs.spec import EnvironmentSpec


@dataclass(frozen=True, slots=True)
class DatabaseResetter:
    """``spec`` and ``trigger`` as for ``VariableEditor``."""

    intents: PendingIntents
    journal: Journal
    clock: Clock
    target: Callable[[str], Target]
    spec: Callable[[EnvironmentView], EnvironmentSpec | None]
    trigger: Callable[[], None] = field(repr=False)

    def databases(self, view: EnvironmentView) -> list[str]:
        """Those that can be reset; none if nothing can be."""
        spec = self.spec(view)
        able = view.commit and view.phase not in GONE and isinstance(self.target(view.target), ResetsDatabases)
        return sorted(item.name for item in spec.databases) if spec and able else []

    def reset(self, view: EnvironmentView, database: str, by: str) -> str:
        """The name of the database. Empty: the only one. Raises RequestRefused."""
        chosen = self._choose(view, database)
        pending = {
            name
            for intent in self.intents.all()
            if (intent.ref, intent.kind) == (view.ref, IntentKind.RESET_DATABASE)
            for name in intent.databases
        }
        now, names = self.clock(), tuple(sorted({*pending, chosen}))
        self.intents.add(Intent(view.ref, IntentKind.RESET_DATABASE, by, now, databases=names))
        self.intents.add(Intent(view.ref, IntentKind.RETRY, by, now))
        self.journal.record(EventKind.INTENT_RESET_DATABASE, wording.requested_reset(chosen), str(view.ref), by)
        self.trigger()
        return chosen

    def _choose(self, view: EnvironmentView, database: str) -> str:
        if view.phase in GONE:
            raise RequestRefused(RefusalReason.BEING_DESTROYED, wording.cant_reset_now(view.name))
        if not view.commit:
            raise RequestRefused(RefusalReason.NOT_CREATED, wording.not_created(view.name))
        if not isinstance(self.target(view.target), ResetsDatabases):
            raise _refused(wording.reset_unsupported(view.target))
        known = self.databases(view)
        if not known:
            raise _refused(wording.no_databases(view.name))
        if not database and len(known) > 1:
            raise _refused(wording.choose_database(view.name, known))
        if database and database not in known:
            raise _refused(wording.unknown_database(view.name, database, known))
        return database or known[0]


def _refused(message: str) -> RequestRefused:
    return RequestRefused(RefusalReason.RESET_UNAVAILABLE, message)

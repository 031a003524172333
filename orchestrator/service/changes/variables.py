"""Sets and unsets variables of one environment (Y5).

A change is a fact in the stack's tag, which its lane writes. The next plan then finds that the environment differs from
what it should be, and updates it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.config.variable_vault import VariableValue, VariableVault
from orchestrator.core.model.variables import VariableOverrides
from orchestrator.core.model.world import Intent, IntentKind
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import GONE
from orchestrator.ledger.event_kinds import EventKind
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.facts.intents import PendingIntents
from orchestrator.runtime.operations.journal import Journal
from orchestrator.service.changes import wording
from orchestrator.service.port import EnvironmentVariable, RefusalReason, RequestRefused, VariableChange
from programs import variables
from programs.eph_yaml import field_types
from programs.redaction import MIN_LENGTH
from programs.settings import InvalidValue
from programs.spec import EnvironmentSpec

MAX_VARIABLES = 50
MAX_VALUE_BYTES = 4096
MAX_TOTAL_BYTES = 16 * 1024
_OWN_NAMES = ("HOST", "PREVIEW_URL")


@dataclass(frozen=True, slots=True)
class VariableEditor:
    """``spec``: what the newest commit of an environment consists of, if its eph.yaml is valid. ``trigger`` starts a
    cycle."""

    vault: VariableVault
    intents: PendingIntents
    journal: Journal
    clock: Clock
    spec: Callable[[EnvironmentView], EnvironmentSpec | None]
    trigger: Callable[[], None] = field(repr=False)

    def current(self, view: EnvironmentView) -> list[EnvironmentVariable]:
        """By name, as last requested. The value of a secret is never included."""
        requested, pending = self._requested(view)
        found = [EnvironmentVariable(name, value, False, pending) for name, value in requested.plain.items()]
        found += [EnvironmentVariable(name, None, True, pending) for name in requested.secrets]
        return sorted(found, key=lambda item: item.name)

    def change(self, view: EnvironmentView, change: VariableChange, by: str) -> list[EnvironmentVariable]:
        """All at once, or nothing. Raises RequestRefused."""
        if view.phase in GONE:
            raise _refused(wording.ending(view.name))
        if not view.commit:
            raise RequestRefused(RefusalReason.NOT_CREATED, wording.not_created(view.name))
        before = self._values(view, change)
        unknown = sorted(set(change.unset) - before.keys())
        if unknown:
            raise _refused(wording.not_set(unknown[0], view.name, before))
        self._check(view, change)
        after = {name: item for name, item in before.items() if name not in change.unset} | dict(change.set)
        _check_size(after)
        overrides = self.vault.seal(view.ref, after)
        now = self.clock()
        self.intents.add(Intent(view.ref, IntentKind.VARIABLES, by, now, variables=overrides))
        self.intents.add(Intent(view.ref, IntentKind.RETRY, by, now))  # what failed without them is tried again
        for name in change.set:
            self.journal.record(EventKind.VARIABLE_SET, wording.variable_set(name), str(view.ref), by)
        for name in change.unset:
            self.journal.record(EventKind.VARIABLE_UNSET, wording.variable_unset(name), str(view.ref), by)
        self.trigger()
        return self.current(view)

    def _requested(self, view: EnvironmentView) -> tuple[VariableOverrides, bool]:
        """The variables that it is to have, and whether they aren't recorded yet."""
        for intent in self.intents.all():
            if intent.ref == view.ref and intent.variables is not None:
                return intent.variables, intent.variables.sealed != view.variables.sealed
        return view.variables, False

    def _values(self, view: EnvironmentView, change: VariableChange) -> dict[str, VariableValue]:
        sealed = self._requested(view)[0].sealed
        try:
            return self.vault.open(view.ref, sealed) if sealed else {}
        except ValueError as error:
            if change.unset:
                raise _refused(str(error)) from error
            return {}  # what can't be read is replaced

    def _check(self, view: EnvironmentView, change: VariableChange) -> None:
        spec = self.spec(view)
        taken = dict(_taken_names(spec)) if spec else {}
        for name, item in change.set.items():
            try:
                field_types.check_repository_variable(name)
            except InvalidValue as error:
                raise _refused(f"{error.message}: {error.expected}.") from error
            if name in _OWN_NAMES or name in taken:
                raise _refused(wording.owned(name, taken.get(name, "")))
            if "\0" in item.value:
                raise _refused(wording.zero_byte(name))
            if len(item.value.encode()) > MAX_VALUE_BYTES:
                raise _refused(wording.too_long(name, MAX_VALUE_BYTES))
            if item.secret and len(item.value) < MIN_LENGTH:
                raise _refused(wording.secret_too_short(name, MIN_LENGTH))


def _check_size(values: Mapping[str, VariableValue]) -> None:
    if len(values) > MAX_VARIABLES:
        raise _refused(wording.too_many(len(values), MAX_VARIABLES))
    total = sum(len(name) + len(item.value.encode()) for name, item in values.items())
    if total > MAX_TOTAL_BYTES:
        raise _refused(wording.too_large(total, MAX_TOTAL_BYTES))


def _taken_names(spec: EnvironmentSpec) -> Iterator[tuple[str, str]]:
    """What Eph sets itself in this environment, and for which part of it."""
    for service in spec.services:
        yield variables.url_variable(service.name), wording.service_owner(service.name)
    for name in variables.public_variables({service.name: "" for service in spec.services}):
        yield name, wording.PUBLIC_SERVICE
    if spec.mail:
        for name in (*variables.smtp_variables("", 0), *variables.public_variables({variables.MAIL: ""})):
            yield name, wording.MAIL_CATCHER
    for database in spec.databases:
        yield database.variable, wording.database_owner(database.name)


def _refused(message: str) -> RequestRefused:
    return RequestRefused(RefusalReason.INVALID_VARIABLE, message)

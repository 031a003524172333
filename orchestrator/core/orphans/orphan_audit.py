"""The audit (C2, L9): compares what exists with stacks and pull requests; what belongs to neither is an orphan.

Pure. Resources come and go while they are read. So everything is read twice, with the stacks in between; an orphan was
there both times and belongs to nothing known or running. What couldn't be read is listed in ``unread_sources`` and
never counts as clean.

A stack whose environment's name isn't known protects every name that it could have (``orphan_purges``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from orchestrator.core import wording
from orchestrator.core.orphans.orphan_purges import KnownNames
from orchestrator.core.planning.plan_actions import Confirm, Hold, Purge, Wait, WaitingFor
from orchestrator.core.planning.plans import Plan
from programs.costs import HOURS_PER_DAY
from programs.inventory import HeldResource
from stacks import names
from stacks.model import Key, StackRecord, StackRef, StackSnapshot, StrayFile


@dataclass(frozen=True, slots=True)
class OrphanedResource:
    """A resource that belongs to nothing. ``command`` removes it; ``sweepable``: so does `eph sweep`.

    ``whole_environment``: its environment has neither stack nor pull request, so the loop purges it, under its guards.
    ``priced``: its target knows prices of single resources. ``hourly``: in dollars; None: not known.
    """

    kind: str
    name: str
    location: str
    environment: str
    reason: str
    command: str
    sweepable: bool = True
    whole_environment: bool = False
    priced: bool = False
    hourly: Decimal | None = None

    @property
    def daily_cost(self) -> Decimal | None:
        return None if self.hourly is None else self.hourly * HOURS_PER_DAY


@dataclass(frozen=True, slots=True)
class AuditReading:
    """What one read found: resources by target, and stray files."""

    resources: Mapping[str, Sequence[HeldResource]] = field(default_factory=dict)
    file_orphans: Sequence[StrayFile] = ()


@dataclass(frozen=True, slots=True)
class AuditContext:
    """``busy``: stacks with an operation running during either read. ``refs``: all that are wanted or exist."""

    stacks: StackSnapshot
    known_names: KnownNames
    refs: frozenset[StackRef]
    busy: frozenset[StackRef] = frozenset()
    busy_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AuditResult:
    """``checked``: how many resources were compared, by place."""

    orphans: tuple[OrphanedResource, ...] = ()
    unread: tuple[str, ...] = ()
    checked: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether everything could be checked and there are no orphans."""
        return not self.orphans and not self.unread


def intersect(first: AuditReading, second: AuditReading) -> AuditReading:
    """What both reads found."""
    held = {
        target: [resource for resource in resources if resource in set(first.resources[target])]
        for target, resources in second.resources.items()
        if target in first.resources
    }
    return AuditReading(held, [stray for stray in second.file_orphans if stray in set(first.file_orphans)])


def sweepable(audit: AuditResult) -> list[OrphanedResource]:
    """The orphans that `eph sweep` removes."""
    return [orphan for orphan in audit.orphans if orphan.sweepable]


def find_orphans(reading: AuditReading, context: AuditContext) -> tuple[OrphanedResource, ...]:
    records = {record.tag.name: record for record in context.stacks.stacks.values() if record.tag is not None}
    found = [
        orphan
        for target in sorted(reading.resources)
        for resource in reading.resources[target]
        if (orphan := _check_resource(target, resource, context, records.get(resource.environment)))
    ]
    return (*found, *(orphan for stray in reading.file_orphans if (orphan := _check_file(stray, context))))


def orphaned_stacks(plan: Plan | None, context: AuditContext, wanted: frozenset[Key]) -> Iterator[OrphanedResource]:
    """Stacks that no pull request wants and whose destroy waits or is on hold."""
    for action in plan.actions if plan else ():
        if isinstance(action, Purge | Confirm) or action.ref in context.busy or action.ref not in context.stacks.stacks:
            continue
        held = isinstance(action, Hold) and action.command and names.parse(action.ref) not in wanted
        if held or (isinstance(action, Wait) and action.waiting_for is WaitingFor.DESTROY):
            command = action.command if isinstance(action, Hold) else f"eph down {action.ref}"
            yield OrphanedResource(
                "stack", str(action.ref), "backend", _title(action.ref), action.reason, command, sweepable=False
            )


def unread_sources(stacks: StackSnapshot, incomplete: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What couldn't be read completely from the Git host and the backend."""
    if not stacks.complete:
        yield wording.limits.note_stacks(stacks.reason)
    for record in stacks.stacks.values():
        if record.unreadable:
            yield wording.orphans.unreadable_stack(record.ref, record.unreadable)
    for name, reason in incomplete:
        yield wording.limits.note_repository(name, reason)


def _check_resource(
    target: str, resource: HeldResource, context: AuditContext, record: StackRecord | None
) -> OrphanedResource | None:
    if not context.stacks.complete or resource.environment in context.busy_names:
        return None  # not known, or an operation is running
    if not context.known_names.covers(resource.environment):
        reason = wording.orphans.orphaned_environment(resource.environment)
        return replace(_as_orphan(target, resource, reason), whole_environment=True)
    if (
        record is None
        or record.built is None
        or record.pending_operations
        or record.unreadable
        or record.ref in context.busy
    ):
        return None  # half-created: completed or destroyed by the next operation
    if not resource.is_supervised:
        return _as_orphan(target, resource, wording.orphans.unsupervised(record.ref))
    if resource.resource_id and resource.resource_id not in record.resource_names:
        return _as_orphan(target, resource, wording.orphans.not_in_stack(len(record.resource_names), record.ref))
    return None


def _as_orphan(target: str, resource: HeldResource, reason: str) -> OrphanedResource:
    return OrphanedResource(
        resource.kind, resource.name, target, resource.environment, reason, resource.removal_command or "eph sweep"
    )


def _check_file(orphan: StrayFile, context: AuditContext) -> OrphanedResource | None:
    if orphan.in_use and orphan.ref is None:
        return None  # in use
    if orphan.ref is not None and (orphan.ref in context.busy or not context.stacks.complete):
        return None
    recorded = orphan.kind == "operation record" and not orphan.path.endswith(".json")
    if recorded and orphan.ref in context.refs:
        return None  # logs of its last attempts, for people
    whose = _title(orphan.ref) if orphan.ref else ""
    return OrphanedResource(
        orphan.kind,
        orphan.path,
        "backend" if orphan.ref else "work",
        whose,
        orphan.reason,
        orphan.removal_command,
        sweepable=not orphan.in_use,
    )


def _title(ref: StackRef) -> str:
    key = names.parse(ref)
    return str(ref) if key is None else wording.orphans.title(key)

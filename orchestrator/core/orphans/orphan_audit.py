"""The audit (C2, L9): what is really there against what stacks and pull requests account for; every rest is an orphan.

Pure. Looking takes time, and things come and go meanwhile: so everything is looked at twice, the stacks in between,
and an orphan is only what stood both times and belongs to nothing that is known or at work. What could not be looked
at is ``unread_sources``, never clean.

A stack whose own name is not known protects every name that ends in its number, as for leftovers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.orphans.orphan_purges import KnownNames
from orchestrator.core.planning.plan_actions import Confirm, Hold, Purge, Wait, WaitingFor
from orchestrator.core.planning.plans import Plan
from orchestrator.core.util.formatting import count
from programs.inventory import HeldResource
from stacks import names
from stacks.model import Key, RefKind, StackRecord, StackRef, StackSnapshot, StrayFile


@dataclass(frozen=True, slots=True)
class OrphanedResource:
    """Something that is there and belongs to nothing. ``command`` removes it by hand; ``sweepable``: `eph sweep` does.

    ``whole_environment``: nothing accounts for its environment at all, so the loop purges that as one, under its
    guards."""

    kind: str
    name: str
    location: str
    environment: str
    reason: str
    command: str
    sweepable: bool = True
    whole_environment: bool = False


@dataclass(frozen=True, slots=True)
class AuditReading:
    """What stood at both looks: by target, and beside the stacks."""

    resources: Mapping[str, Sequence[HeldResource]] = field(default_factory=dict)
    file_orphans: Sequence[StrayFile] = ()


@dataclass(frozen=True, slots=True)
class AuditContext:
    """``busy``: stacks with an operation under way at either look. ``refs``: all that is wanted or exists."""

    stacks: StackSnapshot
    known_names: KnownNames
    refs: frozenset[StackRef]
    busy: frozenset[StackRef] = frozenset()
    busy_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AuditResult:
    """``checked``: how many things of each place were compared."""

    orphans: tuple[OrphanedResource, ...] = ()
    unread: tuple[str, ...] = ()
    checked: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether everything could be checked and there are no orphans."""
        return not self.orphans and not self.unread


def intersect(first: AuditReading, second: AuditReading) -> AuditReading:
    """What stood at the first look and stands at the second."""
    held = {
        target: [thing for thing in things if thing in set(first.resources[target])]
        for target, things in second.resources.items()
        if target in first.resources
    }
    return AuditReading(held, [stray for stray in second.file_orphans if stray in set(first.file_orphans)])


def sweepable(audit: AuditResult) -> list[OrphanedResource]:
    """What `eph sweep` removes of it."""
    return [orphan for orphan in audit.orphans if orphan.sweepable]


def find_orphans(reading: AuditReading, context: AuditContext) -> tuple[OrphanedResource, ...]:
    records = {record.tag.name: record for record in context.stacks.stacks.values() if record.tag is not None}
    found = [
        orphan
        for target in sorted(reading.resources)
        for thing in reading.resources[target]
        if (orphan := _check_resource(target, thing, context, records.get(thing.environment)))
    ]
    return (*found, *(orphan for stray in reading.file_orphans if (orphan := _check_file(stray, context))))


def orphaned_stacks(plan: Plan | None, context: AuditContext, wanted: frozenset[Key]) -> Iterator[OrphanedResource]:
    """Stacks that no pull request wants and whose destroy waits, or is held until a person says so."""
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
    """Sentences for what the Git host and the store did not show whole."""
    if not stacks.complete:
        yield f"not all stacks could be read: {stacks.reason or 'unknown reason'}"
    for record in stacks.stacks.values():
        if record.unreadable:
            yield f"stack {record.ref}: {record.unreadable}"
    for name, reason in incomplete:
        yield f"{name} could not be read completely: {reason or 'unknown reason'}"


def _check_resource(
    target: str, resource: HeldResource, context: AuditContext, record: StackRecord | None
) -> OrphanedResource | None:
    if not context.stacks.complete or resource.environment in context.busy_names:
        return None  # nobody can say, or somebody is at work
    if not context.known_names.covers(resource.environment):
        why = f"no stack or pull request exists for {resource.environment}"
        return replace(_as_orphan(target, resource, why), whole_environment=True)
    if (
        record is None
        or record.built is None
        or record.pending_operations
        or record.unreadable
        or record.ref in context.busy
    ):
        return None  # half-made: completed or destroyed by the next operation
    if not resource.is_supervised:
        return _as_orphan(
            target, resource, f"no live process supervises it, and no operation on {record.ref} is running"
        )
    if resource.resource_id and resource.resource_id not in record.resource_names:
        return _as_orphan(
            target,
            resource,
            f"it isn't among the {count(len(record.resource_names), 'resource')} of stack {record.ref}",
        )
    return None


def _as_orphan(target: str, resource: HeldResource, reason: str) -> OrphanedResource:
    return OrphanedResource(
        resource.kind, resource.name, target, resource.environment, reason, resource.removal_command or "eph sweep"
    )


def _check_file(orphan: StrayFile, context: AuditContext) -> OrphanedResource | None:
    if orphan.in_use and orphan.ref is None:
        return None  # at work
    if orphan.ref is not None and (orphan.ref in context.busy or not context.stacks.complete):
        return None
    recorded = orphan.kind == "operation record" and not orphan.path.endswith(".json")
    if recorded and orphan.ref in context.refs:
        return None  # the words of its last tries, for people
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
    if key is None:
        return str(ref)
    what = f"pull request {key.number}" if key.kind is RefKind.PULL else f"{key.kind} {key.id}"
    return f"{what} of repository {key.repository}"

"""What an audit calls an orphan, by pure comparison: C2, L7, L9."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.desired.desired_state import Unwanted
from orchestrator.core.model import environment_facts
from orchestrator.core.model.world import RunningOperation, World
from orchestrator.core.orphans import orphan_audit, orphan_purges
from orchestrator.core.orphans.orphan_audit import AuditContext, AuditReading
from orchestrator.core.orphans.orphan_purges import KnownNames
from orchestrator.core.planning.plan_actions import Action, Hold, Keep, Wait, WaitingFor
from orchestrator.core.planning.plans import Plan
from orchestrator.core.planning.reason_codes import HoldCode, UnwantedCode
from programs.inventory import HeldResource
from stacks import keys, names
from stacks.model import BuildInfo, OperationVerb, RefKind, StackRecord, StackSnapshot, StackTag, StrayFile
from tests.worlds.plan.pull_requests import START, sha

REF = names.stack_ref(keys.pull_request(8, 1), "acme/shop")
KEY = keys.pull_request(8, 1)
NAME = "shop-gentle-stream-1"
TAG = StackTag(keys.pull_request(8, 1), "acme/shop", NAME, "i", sha("a"), START)
BUILT = BuildInfo(sha("a"), "0" * 16, "local-1", "local", "http://x", {}, START)
RECORD = StackRecord(REF, TAG, BUILT, resource_names={f"Database:{NAME}/db": "database-main"})
STRAY = HeldResource("database", "stray", NAME, f"Database:{NAME}/stray")


def known_facts(record: StackRecord = RECORD, **more: Any) -> AuditContext:
    snapshot = StackSnapshot({record.ref: record})
    known = AuditContext(stacks=snapshot, known_names=KnownNames(frozenset({NAME})), refs=frozenset({REF}))
    return replace(known, **more)


def is_orphan(thing: HeldResource, facts: AuditContext) -> bool:
    return bool(orphan_audit.find_orphans(AuditReading({"local": [thing]}), facts))


def test_a_part_is_an_orphan_only_of_a_stack_that_is_whole_quiet_and_read() -> None:
    assert is_orphan(STRAY, known_facts())
    assert not is_orphan(replace(STRAY, resource_id=f"Database:{NAME}/db"), known_facts())
    for record in (
        replace(RECORD, built=None),
        replace(RECORD, pending_operations=1),
        replace(RECORD, unreadable="cut"),
        replace(RECORD, tag=None),
    ):
        assert not is_orphan(STRAY, known_facts(record)), record
    assert not is_orphan(STRAY, known_facts(busy=frozenset({REF})))
    assert not is_orphan(STRAY, known_facts(busy_names=frozenset({NAME})))
    assert not is_orphan(STRAY, known_facts(stacks=StackSnapshot({REF: RECORD}, complete=False)))


@pytest.mark.parametrize("name", ["shop-other-words-7", "7-shop-other-words", "pr7-other-words"])
def test_an_unnamed_stack_protects_every_name_with_its_number(name: str) -> None:
    strange = HeldResource("folder", "x", name)
    assert is_orphan(strange, known_facts())
    assert not is_orphan(strange, known_facts(known_names=KnownNames(numbers=frozenset({"7"}))))


@pytest.mark.parametrize("kind", [RefKind.BRANCH, RefKind.TAG, RefKind.DEPLOY])
def test_an_unnamed_stack_of_a_branch_protects_every_name(kind: RefKind) -> None:  # C2, L7
    live = "shop-gentle-stream-k7wq-main"
    ref = names.stack_ref(keys.ref(8, kind, "main"), "acme/shop")
    named = replace(TAG, key=keys.ref(8, kind, "main"), name=live)

    def purged(record: StackRecord | None, running: RunningOperation | None = None) -> list[str]:
        stacks = StackSnapshot({ref: record} if record else {})
        found = environment_facts.collect(World({}, stacks, {ref: running} if running else {}))
        unwanted = [(each, Unwanted("gone", UnwantedCode.GONE)) for each in found]
        return [purge.name for purge in orphan_purges.purges({"local": frozenset({live, "x-1"})}, unwanted)]

    assert purged(StackRecord(ref, named)) == ["x-1"]
    assert purged(StackRecord(ref, name_from_state=live)) == ["x-1"]
    assert purged(StackRecord(ref, unreadable="cut")) == []
    creating = RunningOperation(ref, OperationVerb.UP, sha("a"), START, name=live)
    assert purged(None, creating) == ["x-1"]
    assert purged(StackRecord(ref), creating) == [], "an earlier attempt may have used another name"


def test_what_came_or_went_between_the_looks_is_no_orphan() -> None:
    stray = StrayFile("tag file", "/x", REF, "why", "rm")
    came, went = replace(STRAY, name="came"), replace(STRAY, name="went")
    first, second = AuditReading({"local": [STRAY, went]}, [stray]), AuditReading({"local": [came, STRAY]}, [])
    assert orphan_audit.intersect(first, second) == AuditReading({"local": [STRAY]}, [])
    assert orphan_audit.intersect(AuditReading(), second).resources == {}, "one look is not enough"


def test_a_stack_that_nobody_wants_and_that_stays_is_named_with_the_command_that_goes_on() -> None:
    held = Hold(REF, "too many would go", HoldCode.DESTROY_LIMIT, "eph approve abc")
    late = Wait(REF, KEY, "destroy failed 3 times", waiting_for=WaitingFor.DESTROY)
    locked = Hold(REF, "locked", HoldCode.LOCKED, "pulumi cancel")

    def found(action: Action, wanted: bool, **more: Any) -> list[str]:
        plan = Plan((action,), START)
        keys = frozenset({KEY} if wanted else ())
        return [orphan.command for orphan in orphan_audit.orphaned_stacks(plan, known_facts(**more), keys)]

    assert found(held, wanted=False) == ["eph approve abc"]
    assert found(late, wanted=False) == [f"eph down {REF}"]
    assert found(locked, wanted=True) == [], "it is wanted, and heals or is shown as held"
    assert found(late, wanted=False, busy=frozenset({REF})) == []
    assert found(Keep(REF, KEY, "as it should be"), wanted=False) == []


def test_a_lock_whose_owner_may_live_is_named_and_not_swept() -> None:
    gone = names.stack_ref(keys.pull_request(8, 9), "acme/shop")
    free, held = (StrayFile("lock", path, gone, "why", "rm", in_use=path == "/b") for path in ["/a", "/b"])
    found = orphan_audit.find_orphans(AuditReading(file_orphans=[free, held]), known_facts())
    assert [(orphan.name, orphan.sweepable) for orphan in found] == [("/a", True), ("/b", False)]

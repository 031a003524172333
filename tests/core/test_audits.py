"""What an audit calls an orphan, by pure comparison: C2, L7, L9."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core import audits
from orchestrator.core.actions import Because, Hold, Keep, Wait
from orchestrator.core.audits import Known, Seen
from orchestrator.core.leftovers import Accounted
from orchestrator.core.model import Key
from orchestrator.core.plans import Plan
from programs.holdings import Holding
from stacks import names
from stacks.model import Built, StackRecord, StackSnapshot, Stray, Tag
from tests.core.pulls import START, sha

REF = names.stack_ref(8, "acme/shop", 1)
KEY = Key(8, 1)
NAME = "shop-gentle-stream-1"
TAG = Tag(8, "acme/shop", 1, NAME, "i", sha("a"), START)
BUILT = Built(sha("a"), "0" * 16, "local-1", "local", "http://x", {}, START)
RECORD = StackRecord(REF, TAG, BUILT, parts={f"Database:{NAME}/db": "database-main"})
STRANGE = Holding("database", "stray", NAME, f"Database:{NAME}/stray")


def known(record: StackRecord = RECORD, **more: object) -> Known:
    snapshot = StackSnapshot({record.ref: record})
    fixed = {"stacks": snapshot, "accounted": Accounted(frozenset({NAME})), "refs": frozenset({REF})}
    return Known(**{**fixed, **more})


def named(thing: Holding, facts: Known) -> bool:
    return bool(audits.orphans(Seen({"local": [thing]}), facts))


def test_a_part_is_an_orphan_only_of_a_stack_that_is_whole_quiet_and_read() -> None:
    assert named(STRANGE, known())
    assert not named(replace(STRANGE, part=f"Database:{NAME}/db"), known())
    for record in (
        replace(RECORD, built=None),
        replace(RECORD, pending=1),
        replace(RECORD, unreadable="cut"),
        replace(RECORD, tag=None),
    ):
        assert not named(STRANGE, known(record)), record
    assert not named(STRANGE, known(busy=frozenset({REF})))
    assert not named(STRANGE, known(busy_names=frozenset({NAME})))
    assert not named(STRANGE, known(stacks=StackSnapshot({REF: RECORD}, complete=False)))


def test_a_name_is_protected_by_the_number_of_a_stack_that_does_not_tell_its_own() -> None:
    strange = Holding("folder", "x", "shop-other-words-7")
    assert named(strange, known())
    assert not named(strange, known(accounted=Accounted(numbers=frozenset({"7"}))))


def test_what_came_or_went_between_the_looks_is_no_orphan() -> None:
    stray = Stray("tag file", "/x", REF, "why", "rm")
    came, went = replace(STRANGE, name="came"), replace(STRANGE, name="went")
    first, second = Seen({"local": [STRANGE, went]}, [stray]), Seen({"local": [came, STRANGE]}, [])
    assert audits.both(first, second) == Seen({"local": [STRANGE]}, [])
    assert audits.both(Seen(), second).holdings == {}, "one look is not enough"


def test_a_stack_that_nobody_wants_and_that_stays_is_named_with_the_command_that_goes_on() -> None:
    held = Hold(REF, "too many would go", "eph approve abc")
    late = Wait(REF, KEY, "the destroy failed 3 times", because=Because.DESTROY)
    locked = Hold(REF, "locked", "pulumi cancel")

    def found(action: object, wanted: bool, **more: object) -> list[str]:
        plan = Plan((action,), START)
        keys = frozenset({KEY} if wanted else ())
        return [orphan.command for orphan in audits.of_plan(plan, known(**more), keys)]

    assert found(held, wanted=False) == ["eph approve abc"]
    assert found(late, wanted=False) == [f"eph down {REF}"]
    assert found(locked, wanted=True) == [], "it is wanted, and heals or is shown as held"
    assert found(late, wanted=False, busy=frozenset({REF})) == []
    assert found(Keep(REF, KEY, "as it should be"), wanted=False) == []


def test_a_lock_whose_owner_may_live_is_named_and_not_swept() -> None:
    gone = names.stack_ref(8, "acme/shop", 9)
    free, held = (Stray("lock", path, gone, "why", "rm", held=path == "/b") for path in ["/a", "/b"])
    found = audits.orphans(Seen(strays=[free, held]), known())
    assert [(orphan.name, orphan.swept) for orphan in found] == [("/a", True), ("/b", False)]

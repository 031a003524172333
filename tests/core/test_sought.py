"""Images as facts of a plan: looked for, waited for, pinned by the stack's own state (I1, I2, L4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from time import process_time

import pytest

from orchestrator.core import actions, sought
from orchestrator.core.actions import Because, Find, Wait
from orchestrator.core.images import Answer, Fallback, ImageWish, Looked, Pin
from orchestrator.core.model import Key, Recipe
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from programs import spec as specs
from stacks import names
from stacks.model import Built, Pinned, StackRecord
from tests.core.pulls import PREVIEW, START, sha, spec
from tests.core.worlds import Simulation

HOME = "registry.test/acme/shop"
DIGEST = f"{HOME}@sha256:{'a' * 64}"
OTHER = f"{HOME}@sha256:{'b' * 64}"
WISH = ImageWish("api", HOME, tag="x", wait=timedelta(minutes=10))
REF = names.stack_ref(1, "acme/shop", 42)
POLICY = Policy()


def recipe(*wishes: ImageWish) -> Recipe:
    return Recipe(spec("shop", sha("a"), "kubernetes"), PREVIEW, images=wishes or (WISH,))


def subject(looked: Looked | None = None, record: StackRecord | None = None) -> Subject:
    world = Simulation()
    world.open(42, sha("a"))
    candidate = world._candidate(Key(1, 42))
    return Subject(REF, Key(1, 42), record=record, candidate=candidate, looked=looked)


def looked(answer: Answer, after: timedelta = timedelta(0), wish: ImageWish = WISH, troubles: int = 0) -> Looked:
    return Looked(sha("a"), (wish,), START, START + after, (answer,), troubles)


def judged(one: Subject, wish: ImageWish, after: timedelta) -> Recipe | Find | Wait:
    return sought.judge(one, recipe(wish), POLICY, START + after)


ABSENT = Answer("api", ("tag_template: x is not in its registry",))
FOUND = Answer("api", (), Pin(DIGEST, "tag_template: x"))
SILENT = Answer("api", (), None, "tag_template: x cannot be asked for just now", unreachable=True)
MINUTE = timedelta(minutes=1)


def test_what_was_never_looked_for_is_looked_for() -> None:
    found = judged(subject(), WISH, MINUTE)
    assert isinstance(found, Find)
    assert (found.left, found.fall_back, found.since) == ((WISH,), frozenset(), START + MINUTE)
    assert sought.judge(subject(), replace(recipe(), images=()), POLICY, START) == replace(recipe(), images=())


def test_what_was_found_makes_the_recipe_whole() -> None:
    made = judged(subject(looked(FOUND)), WISH, MINUTE)
    assert isinstance(made, Recipe)
    assert made.spec.images == {"api": DIGEST}
    assert made.digest == made.spec.digest == specs.pinned(recipe().digest, {"api": DIGEST})
    assert made.digest != recipe().digest
    assert replace(made.spec, found={"api": "another way"}).digest == made.digest


@pytest.mark.parametrize(
    ("answer", "at", "policy", "due"),
    [
        (ABSENT, timedelta(0), POLICY, timedelta(seconds=30)),
        (ABSENT, timedelta(minutes=9, seconds=50), POLICY, timedelta(minutes=10)),
        (ABSENT, timedelta(minutes=10), POLICY, timedelta(minutes=70)),
        (replace(SILENT, pause=400), timedelta(0), POLICY, timedelta(seconds=400)),
    ],
    ids=["each half minute", "once more at the end", "then hourly", "as it asks"],
)
def test_when_it_is_looked_for_again(answer: Answer, at: timedelta, policy: Policy, due: timedelta) -> None:
    one = subject(looked(answer, at, troubles=1))
    before, then = judged(one, WISH, due - timedelta(seconds=1)), judged(one, WISH, due)
    assert isinstance(before, Wait)
    assert (before.until, before.because) == (START + due, Because.IMAGE)
    assert isinstance(then, Find)
    assert then.reason == before.reason, "nobody is told anew"


def test_the_fallback_counts_when_its_time_has_come() -> None:
    for fallback, after, counts in (
        (Fallback.USE, MINUTE, True),
        (Fallback.WAIT, MINUTE, False),
        (Fallback.WAIT, 10 * MINUTE, True),
        (Fallback.FAIL, 10 * MINUTE, False),
    ):
        wish = replace(WISH, fallback_tag="stable", fallback=fallback)
        again = subject(replace(looked(ABSENT, wish=wish), at=START - timedelta(hours=2)))
        found = judged(again, wish, after)
        assert isinstance(found, Find), fallback
        assert found.fall_back == (frozenset({"api"}) if counts else frozenset()), (fallback, after)


def test_silence_never_ends_a_wait() -> None:
    one = subject(looked(SILENT, timedelta(hours=5), troubles=9))
    assert sought.failure(one, recipe()) is None
    over = subject(looked(ABSENT, timedelta(minutes=10)))
    said = sought.failure(over, recipe())
    assert said is not None
    assert said[1] == START + timedelta(minutes=10)
    assert "there is no image api for commit a000000 within 10 min" in said[0]


def test_what_was_found_for_another_commit_or_another_question_does_not_count() -> None:
    other = replace(looked(FOUND), commit=sha("b"))
    assert isinstance(judged(subject(other), WISH, MINUTE), Find)
    moved = replace(WISH, repository="registry.test/acme/other")
    assert isinstance(judged(subject(looked(FOUND)), moved, MINUTE), Find)
    asked = replace(WISH, tag="y")
    again = judged(subject(looked(ABSENT)), asked, MINUTE)
    assert isinstance(again, Find)
    assert again.since == START, "the wait goes on"


def _record(pinned: Pinned | None, built: Built | None) -> StackRecord:
    return StackRecord(REF, pinned=pinned, built=built, target="kubernetes")


def _built(commit: str, reference: str) -> Built:
    return Built(commit, "d", "1", "kubernetes", "", {}, START, {"api": reference}, {"api": "then"})


@pytest.mark.parametrize(
    ("record", "reference"),
    [
        (_record(Pinned(sha("a"), {"api": DIGEST}), None), DIGEST),
        (_record(Pinned(sha("b"), {"api": OTHER}), _built(sha("a"), DIGEST)), DIGEST),
        (_record(Pinned(sha("a"), {"api": DIGEST}), _built(sha("b"), OTHER)), DIGEST),
    ],
    ids=["a build began", "a newer one began and was taken back", "an older one runs"],
)
def test_a_stack_says_what_it_began_with(record: StackRecord, reference: str) -> None:
    """The state counts more than what this process found since: a tag that was moved meanwhile."""
    one = subject(looked(replace(FOUND, pin=Pin(OTHER, "now"))), record)
    made = judged(one, WISH, MINUTE)
    assert isinstance(made, Recipe)
    assert made.spec.images == {"api": reference}
    assert sought.judge(subject(None, record), recipe(), POLICY, START) == made


def test_a_person_who_asks_again_begins_the_wait_anew() -> None:
    world = Simulation()
    world.open(42)
    world.now = START + timedelta(minutes=20)
    world.ask("retry", 42)
    one = replace(subject(looked(ABSENT, timedelta(minutes=15))), intents=tuple(world.intents))
    found = judged(one, WISH, timedelta(minutes=20))
    assert isinstance(found, Find)
    assert found.since == START + timedelta(minutes=20)


def test_ten_thousand_pins_cost_no_hash_of_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """L4: a plan cannot afford one for each."""
    one, wanted = subject(looked(FOUND)), recipe()
    monkeypatch.setattr(specs.EnvironmentSpec, "to_json", _never)
    began = process_time()
    for _ in range(2_000):
        sought.judge(one, wanted, POLICY, START)
    assert process_time() - began < 1.0


def _never(*_: object) -> None:
    raise AssertionError("a whole spec was hashed")


def test_it_is_an_action_of_the_plan() -> None:
    world = Simulation()
    world.open(42, sha("a"), recipe={"images": (WISH,)})
    found = world.action(42)
    assert isinstance(found, actions.Find)
    assert found.commit == sha("a")

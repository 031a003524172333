"""Images as facts of a plan: looked for, waited for, pinned by the stack's own state (I1, I2, L4)."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from time import process_time
from typing import Any

import pytest

from orchestrator.core.desired import image_pinning
from orchestrator.core.model import joins
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.image_lookup import Fallback, ImageLookup, ImagePin, ImageRequest, ImageResult
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import Recipe, RepositoryFacts
from orchestrator.core.planning import plan_actions
from orchestrator.core.planning.plan_actions import Find, Wait, WaitingFor
from programs import spec as specs
from programs.spec import EnvironmentSpec
from stacks import keys, names
from stacks.model import BuildInfo, PinnedImages, StackRecord
from tests.worlds.plan.pull_requests import PREVIEW, START, sha, spec
from tests.worlds.plan.simulation import Simulation

HOME = "registry.test/acme/shop"
DIGEST = f"{HOME}@sha256:{'a' * 64}"
OTHER = f"{HOME}@sha256:{'b' * 64}"
IMAGE_REQUEST = ImageRequest("api", HOME, tag="x", wait=timedelta(minutes=10))
REF = names.stack_ref(keys.pull_request(1, 42), "acme/shop")
POLICY = Policy()


def recipe(*requests: ImageRequest) -> Recipe:
    return Recipe(spec("shop", sha("a"), "kubernetes"), PREVIEW, images=requests or (IMAGE_REQUEST,))


def subject(looked: ImageLookup | None = None, record: StackRecord | None = None) -> EnvironmentFacts:
    world = Simulation()
    world.open_pull(42, sha("a"))
    candidate = world._request(keys.pull_request(1, 42))
    facts = RepositoryFacts(1, "acme/shop", complete=True)
    return EnvironmentFacts(
        REF, keys.pull_request(1, 42), joins.join(facts, candidate, record, None), image_lookup=looked
    )


def search_result(
    answer: ImageResult, after: timedelta = timedelta(0), request: ImageRequest = IMAGE_REQUEST, failures: int = 0
) -> ImageLookup:
    return ImageLookup(sha("a"), (request,), START, START + after, (answer,), failures)


def evaluate(environment: EnvironmentFacts, request: ImageRequest, after: timedelta) -> Recipe | Find | Wait:
    return image_pinning.resolve(environment, recipe(request), POLICY, START + after)


ABSENT = ImageResult("api", ("tag_template: x not found in the registry",))
FOUND = ImageResult("api", (), ImagePin(DIGEST, "tag_template: x"))
UNREACHABLE = ImageResult("api", (), None, "tag_template: x cannot be asked for just now", unreachable=True)
MINUTE = timedelta(minutes=1)


def test_unsearched_image_is_searched() -> None:
    found = evaluate(subject(), IMAGE_REQUEST, MINUTE)
    assert isinstance(found, Find)
    assert (found.remaining, found.fallback_names, found.since) == ((IMAGE_REQUEST,), frozenset(), START + MINUTE)
    assert image_pinning.resolve(subject(), replace(recipe(), images=()), POLICY, START) == replace(recipe(), images=())


def test_found_image_completes_the_spec() -> None:
    made = evaluate(subject(search_result(FOUND)), IMAGE_REQUEST, MINUTE)
    assert isinstance(made, Recipe)
    assert made.spec.images == {"api": DIGEST}
    assert made.digest == made.spec.digest == specs.digest_with_images(recipe().digest, {"api": DIGEST})
    assert made.digest != recipe().digest
    assert replace(made.spec, found={"api": "another way"}).digest == made.digest


@pytest.mark.parametrize(
    ("answer", "at", "policy", "due"),
    [
        (ABSENT, timedelta(0), POLICY, timedelta(seconds=30)),
        (ABSENT, timedelta(minutes=9, seconds=50), POLICY, timedelta(minutes=10)),
        (ABSENT, timedelta(minutes=10), POLICY, timedelta(minutes=70)),
        (replace(UNREACHABLE, retry_after=400), timedelta(0), POLICY, timedelta(seconds=400)),
    ],
    ids=["each half minute", "once more at the end", "then hourly", "as it asks"],
)
def test_when_it_is_looked_for_again(answer: ImageResult, at: timedelta, policy: Policy, due: timedelta) -> None:
    one = subject(search_result(answer, at, failures=1))
    before, then = evaluate(one, IMAGE_REQUEST, due - timedelta(seconds=1)), evaluate(one, IMAGE_REQUEST, due)
    assert isinstance(before, Wait)
    assert (before.until, before.waiting_for) == (START + due, WaitingFor.IMAGE)
    assert isinstance(then, Find)
    assert then.reason == before.reason, "nobody is told anew"


def test_the_fallback_counts_when_its_time_has_come() -> None:
    for fallback, after, counts in (
        (Fallback.USE, MINUTE, True),
        (Fallback.WAIT, MINUTE, False),
        (Fallback.WAIT, 10 * MINUTE, True),
        (Fallback.FAIL, 10 * MINUTE, False),
    ):
        wish = replace(IMAGE_REQUEST, fallback_tag="stable", fallback=fallback)
        again = subject(replace(search_result(ABSENT, request=wish), at=START - timedelta(hours=2)))
        found = evaluate(again, wish, after)
        assert isinstance(found, Find), fallback
        assert found.fallback_names == (frozenset({"api"}) if counts else frozenset()), (fallback, after)


def test_unreachable_registry_never_ends_the_wait() -> None:
    one = subject(search_result(UNREACHABLE, timedelta(hours=5), failures=9))
    assert image_pinning.failure(one, recipe()) is None
    over = subject(search_result(ABSENT, timedelta(minutes=10)))
    said = image_pinning.failure(over, recipe())
    assert said is not None
    assert said[1] == START + timedelta(minutes=10)
    assert "image api for commit a000000 not found within 10 min" in said[0]


def test_what_was_found_for_another_commit_or_another_question_does_not_count() -> None:
    other = replace(search_result(FOUND), commit=sha("b"))
    assert isinstance(evaluate(subject(other), IMAGE_REQUEST, MINUTE), Find)
    moved = replace(IMAGE_REQUEST, repository="registry.test/acme/other")
    assert isinstance(evaluate(subject(search_result(FOUND)), moved, MINUTE), Find)
    asked = replace(IMAGE_REQUEST, tag="y")
    again = evaluate(subject(search_result(ABSENT)), asked, MINUTE)
    assert isinstance(again, Find)
    assert again.since == START, "the wait goes on"


def _record(pinned: PinnedImages | None, built: BuildInfo | None) -> StackRecord:
    return StackRecord(REF, pinned_images=pinned, built=built, target="kubernetes")


def _built(commit: str, reference: str) -> BuildInfo:
    return BuildInfo(commit, "d", "1", "kubernetes", "", {}, START, {"api": reference}, {"api": "then"})


@pytest.mark.parametrize(
    ("record", "reference"),
    [
        (_record(PinnedImages(sha("a"), {"api": DIGEST}), None), DIGEST),
        (_record(PinnedImages(sha("b"), {"api": OTHER}), _built(sha("a"), DIGEST)), DIGEST),
        (_record(PinnedImages(sha("a"), {"api": DIGEST}), _built(sha("b"), OTHER)), DIGEST),
    ],
    ids=["a build began", "a newer one began and was taken back", "an older one runs"],
)
def test_a_stack_says_what_it_began_with(record: StackRecord, reference: str) -> None:
    """The state counts more than what this process found since: a tag that was moved meanwhile."""
    one = subject(search_result(replace(FOUND, pin=ImagePin(OTHER, "now"))), record)
    made = evaluate(one, IMAGE_REQUEST, MINUTE)
    assert isinstance(made, Recipe)
    assert made.spec.images == {"api": reference}
    assert image_pinning.resolve(subject(None, record), recipe(), POLICY, START) == made


def test_a_person_who_asks_again_begins_the_wait_anew() -> None:
    world = Simulation()
    world.open_pull(42)
    world.now = START + timedelta(minutes=20)
    world.request_action("retry", 42)
    one = replace(subject(search_result(ABSENT, timedelta(minutes=15))), intents=tuple(world.intents))
    found = evaluate(one, IMAGE_REQUEST, timedelta(minutes=20))
    assert isinstance(found, Find)
    assert found.since == START + timedelta(minutes=20)


class UnhashedSpec(EnvironmentSpec):
    def to_json(self) -> Any:
        raise AssertionError("a whole spec was hashed")


def test_ten_thousand_pins_cost_no_hash_of_a_spec() -> None:
    """L4: a plan cannot afford one for each."""
    one, wanted = subject(search_result(FOUND)), recipe()
    spec = wanted.spec
    wanted = replace(wanted, spec=UnhashedSpec(**{each.name: getattr(spec, each.name) for each in fields(spec)}))
    began = process_time()
    for _ in range(2_000):
        image_pinning.resolve(one, wanted, POLICY, START)
    assert process_time() - began < 1.0


def test_it_is_an_action_of_the_plan() -> None:
    world = Simulation()
    world.open_pull(42, sha("a"), recipe={"images": (IMAGE_REQUEST,)})
    found = world.action(42)
    assert isinstance(found, plan_actions.Find)
    assert found.commit == sha("a")

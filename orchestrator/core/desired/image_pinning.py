"""Decides what to do about a commit's images: use pinned ones, look for missing ones, wait, or fail.

Each image is pinned once per commit. A build stores its pins in the stack's state, from where they are read back; until
then, only this process remembers what was found, and nothing was built from it.

A fallback image is provisional: it is built at once, and Eph keeps looking for the commit's own image until the wait
time is over. A fallback never moves: only the commit's own image replaces it.

A pushed image triggers nothing. While a commit waits for an image, Eph polls for it until the wait time in eph.yaml is
over. Then the image counts as failed and is looked up hourly, like everything that failed. If a registry doesn't
respond, the image counts neither as missing nor as timed out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core import wording
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.image_lookup import (
    Fallback,
    ImageLookup,
    ImagePin,
    ImageRequest,
    ImageResult,
    fallback_tag,
)
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import IntentKind, Recipe
from orchestrator.core.planning import backoff
from orchestrator.core.planning.plan_actions import Find, Wait, WaitingFor
from programs import spec as specs
from stacks.model import BuildInfo, StackRecord


@dataclass(frozen=True, slots=True)
class MissingImage:
    """The last lookup of an image without a pin. ``deadline`` is the end of its wait time."""

    request: ImageRequest
    result: ImageResult
    deadline: datetime
    timed_out: bool

    @property
    def sentence(self) -> str:
        messages = [*self.result.messages, *([self.result.error] if self.result.error else [])]
        return wording.images.image_problems(self.request.repository, messages)


def resolve(environment: EnvironmentFacts, recipe: Recipe, policy: Policy, now: datetime) -> Recipe | Find | Wait:
    """Return the recipe with every image pinned, or an action for those that aren't."""
    if not recipe.images:
        return recipe
    pins = pinned(environment, recipe.images)
    if len(pins) == len(recipe.images):
        return _look_for_better(environment, recipe, pins, policy, now) or with_pins(recipe, pins)
    looked = _current_lookup(environment)
    since = _lookup_since(environment, looked, now)
    reason = _waiting_reason(environment, recipe)
    due = _next_lookup(environment, recipe, policy, now)
    if due <= now:
        left = [request for request in recipe.images if request.name not in pins]
        fall_back = frozenset(request.name for request in left if _may_fall_back(request, since, now))
        return _find(environment, recipe, [*left, *_provisional(recipe.images, pins)], fall_back, since, reason)
    return Wait(environment.ref, environment.key, reason, None, due, WaitingFor.IMAGE)


def _find(
    environment: EnvironmentFacts,
    recipe: Recipe,
    remaining: Iterable[ImageRequest],
    fall_back: frozenset[str],
    since: datetime,
    reason: str,
) -> Find:
    return Find(
        environment.ref,
        environment.key,
        environment.head,
        recipe.spec.target,
        recipe.images,
        tuple(remaining),
        fall_back,
        since,
        reason,
    )


def _look_for_better(
    environment: EnvironmentFacts, recipe: Recipe, pins: Mapping[str, ImagePin], policy: Policy, now: datetime
) -> Find | None:
    """The next lookup of images that have only a fallback, if it is due. It can't use the fallback again, whose tag may
    have moved."""
    provisional = _provisional(recipe.images, pins)
    if not provisional:
        return None
    looked, again = _current_lookup(environment), environment.latest_intent(IntentKind.RETRY)
    known = [looked.since] if looked else [environment.first_seen_at] if environment.first_seen_at else []
    since = min([*known, now])
    if again is not None and again.at > (looked.at if looked else since):  # a retry restarts the wait
        since = min(again.at, now)
        looked = None
    last = looked.at if looked and looked.at <= now else since
    still_open = [request for request in provisional if last < since + request.wait or (looked is None and again)]
    if not still_open or (looked and now < _next_improvement(environment, looked, since, still_open, policy)):
        return None
    reason = wording.images.looking_for_images(environment.head, (request.repository for request in still_open))
    return _find(environment, recipe, still_open, frozenset(), since, reason)


def _next_improvement(
    environment: EnvironmentFacts,
    looked: ImageLookup,
    since: datetime,
    still_open: Iterable[ImageRequest],
    policy: Policy,
) -> datetime:
    """Like a missing image: at the poll interval, later if a place didn't respond, and once more at the end."""
    interval = policy.image_poll_interval
    if looked.consecutive_errors:
        interval = max(interval, backoff.backoff_delay(policy.backoff, looked.consecutive_errors, environment.ref))
    return min([looked.at + interval, *(since + request.wait for request in still_open)])


def _provisional(requests: Iterable[ImageRequest], pins: Mapping[str, ImagePin]) -> list[ImageRequest]:
    """Those that have a fallback, and may still get the commit's own image."""
    return [
        request
        for request in requests
        if request.can_improve and request.name in pins and pins[request.name].fallback_tag
    ]


def pinned(environment: EnvironmentFacts, requests: Iterable[ImageRequest]) -> dict[str, ImagePin]:
    """The known pins of the head commit, by name. A pin of another repository doesn't count."""
    looked = _current_lookup(environment)
    found = {answer.name: answer.pin for answer in (looked.results if looked else ()) if answer.pin}
    recorded = _pins_of_record(environment.record, environment.head)
    better = {name for name, pin in found.items() if not pin.fallback_tag}
    kept = {name: pin for name, pin in recorded.items() if not (pin.fallback_tag and name in better)}
    known = {**found, **kept}
    return {
        request.name: known[request.name]
        for request in requests
        if request.name in known and known[request.name].reference.startswith(f"{request.repository}@")
    }


def with_pins(recipe: Recipe, pins: Mapping[str, ImagePin]) -> Recipe:
    references = {name: pin.reference for name, pin in pins.items()}
    spec = replace(recipe.spec, images=references, found={name: pin.how for name, pin in pins.items()})
    return replace(recipe, spec=spec, digest=specs.digest_with_images(recipe.digest, references))


def is_as_built(recipe: Recipe, built: BuildInfo) -> bool:
    """Whether the build matches the recipe, given the images that were pinned then."""
    digest = specs.digest_with_images(recipe.digest, built.images) if recipe.images else recipe.digest
    return (built.commit, built.spec_digest) == (recipe.spec.source.commit, digest)


def replaced_fallbacks(recipe: Recipe, built: BuildInfo) -> tuple[str, ...]:
    """The images that the build has as a fallback, and for which the commit's own image was found since."""
    return tuple(
        name
        for name, reference in recipe.spec.images.items()
        if fallback_tag(built.found.get(name, "")) and built.images.get(name) != reference
    )


def missing(environment: EnvironmentFacts, recipe: Recipe) -> tuple[MissingImage, ...]:
    """The images that a lookup didn't find; none before the first lookup."""
    looked = _current_lookup(environment)
    if looked is None or not recipe.images:
        return ()
    pins, answers = pinned(environment, recipe.images), {answer.name: answer for answer in looked.results}
    found = []
    for request in recipe.images:
        if request.name not in pins and request.name in answers:
            answer = answers[request.name]
            deadline = looked.since if request.fallback is Fallback.FAIL else looked.since + request.wait
            found.append(MissingImage(request, answer, deadline, deadline <= looked.at and not answer.unreachable))
    return tuple(found)


def waiting_since(environment: EnvironmentFacts) -> datetime | None:
    looked = _current_lookup(environment)
    return looked.since if looked else None


def failure(environment: EnvironmentFacts, recipe: Recipe) -> tuple[str, datetime] | None:
    """Why the build fails for lack of an image, and since when; None while it waits, or if no image is missing."""
    over = [each for each in missing(environment, recipe) if each.timed_out]
    if not over:
        return None
    return _failure_reason(environment, over), max(each.deadline for each in over)


# --- reasons


def _waiting_reason(environment: EnvironmentFacts, recipe: Recipe) -> str:
    """Constant while the result is the same, so that reports don't change."""
    found = missing(environment, recipe)
    over = [each for each in found if each.timed_out]
    if over:
        return _failure_reason(environment, over)
    looked = _current_lookup(environment)
    if not found or looked is None:
        return wording.images.looking_for_images(environment.head, (request.repository for request in recipe.images))
    unreachable = [each for each in found if each.result.unreachable]
    names = [each.request.name for each in found]
    if unreachable:
        return wording.images.registry_unavailable(names, environment.head, unreachable[0].sentence)
    until = min(each.deadline for each in found)
    detail = ". ".join(each.sentence for each in found)
    return wording.images.waiting_for_images(names, environment.head, looked.since, until, detail)


def _failure_reason(environment: EnvironmentFacts, images: Iterable[MissingImage]) -> str:
    first = next(iter(images))
    waited = None if first.request.fallback is Fallback.FAIL else first.request.wait
    return wording.images.image_not_found(first.request.name, environment.head, waited, first.sentence)


# --- lookups


def _current_lookup(environment: EnvironmentFacts) -> ImageLookup | None:
    found = environment.image_lookup
    return found if found is not None and found.commit == environment.head else None


def _lookup_since(environment: EnvironmentFacts, lookup: ImageLookup | None, now: datetime) -> datetime:
    """When the wait began; a retry restarts it."""
    again = environment.latest_intent(IntentKind.RETRY)
    if lookup is None or (again is not None and again.at > lookup.at):
        return now
    return min(lookup.since, now)


def _may_fall_back(request: ImageRequest, since: datetime, now: datetime) -> bool:
    waited = request.fallback is Fallback.WAIT and since + request.wait <= now
    return bool(request.fallback_tag) and (request.fallback is Fallback.USE or waited)


def _next_lookup(environment: EnvironmentFacts, recipe: Recipe, policy: Policy, now: datetime) -> datetime:
    """When to look for the images again."""
    looked, found = _current_lookup(environment), missing(environment, recipe)
    again = environment.latest_intent(IntentKind.RETRY)
    if looked is None or looked.requests != recipe.images or looked.at > now or not found:
        return now
    if again is not None and again.at > looked.at:
        return now
    ends = [each.deadline for each in found if looked.at < each.deadline]
    return min([looked.at + _lookup_interval(environment, looked, found, policy), *ends])


def _lookup_interval(
    environment: EnvironmentFacts, lookup: ImageLookup, missing_images: Iterable[MissingImage], policy: Policy
) -> timedelta:
    results = [each.result for each in missing_images]
    if any(result.unreachable for result in results):
        retry_after = timedelta(seconds=max(result.retry_after for result in results))
        return max(retry_after, backoff.backoff_delay(policy.backoff, lookup.consecutive_errors, environment.ref))
    if any(each.timed_out for each in missing_images):
        return policy.backoff.stalled_interval
    return policy.image_poll_interval


def _pins_of_record(record: StackRecord | None, head: str) -> dict[str, ImagePin]:
    """The pins in the stack's state: of the build that began last, otherwise of the last successful one."""
    if record is None or not head:
        return {}
    for build in (record.pinned_images, record.built):
        if build is not None and build.commit == head and build.images:
            return {name: ImagePin(text, build.found.get(name, "")) for name, text in build.images.items()}
    return {}

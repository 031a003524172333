"""What a commit's images mean for its environment: pinned, still to be looked for, waited for, or not to be had.

A tag is pinned once: what the stack was built from, or begins to be built from, stands in its own state and is read
back from there; before that, what was found is remembered by this process alone, and nothing was made of it yet.

Nothing is triggered by a push of an image. While a commit waits for one, each look asks for it, until the wait that
eph.yaml grants is over; after that it has failed, and is looked for hourly, as all that failed. A registry that does
not answer says nothing: neither that an image is missing nor that the wait is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.image_lookup import Fallback, ImageLookup, ImagePin, ImageRequest, ImageResult
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import IntentKind, Recipe
from orchestrator.core.planning import backoff
from orchestrator.core.planning.plan_actions import Find, Wait, WaitingFor
from orchestrator.core.util import formatting
from programs import spec as specs
from stacks.model import BuildInfo, StackRecord


@dataclass(frozen=True, slots=True)
class MissingImage:
    """One image without a pin, as last looked for. ``deadline``: when its wait is over."""

    request: ImageRequest
    result: ImageResult
    deadline: datetime
    timed_out: bool

    @property
    def sentence(self) -> str:
        said = [*self.result.messages, *([self.result.error] if self.result.error else [])]
        return f"{self.request.repository}: {'; '.join(said) or 'no details'}"


def resolve(environment: EnvironmentFacts, recipe: Recipe, policy: Policy, now: datetime) -> Recipe | Find | Wait:
    """The recipe with every image pinned; or what is done about those that are not."""
    if not recipe.images:
        return recipe
    pins = pinned(environment, recipe.images)
    if len(pins) == len(recipe.images):
        return with_pins(recipe, pins)
    looked = _current_lookup(environment)
    since = _lookup_since(environment, looked, now)
    reason = _waiting_reason(environment, recipe)
    due = _next_lookup(environment, recipe, policy, now)
    if due <= now:
        left = tuple(wish for wish in recipe.images if wish.name not in pins)
        fall_back = frozenset(wish.name for wish in left if _may_fall_back(wish, since, now))
        return Find(
            environment.ref,
            environment.key,
            environment.head,
            recipe.spec.target,
            recipe.images,
            left,
            fall_back,
            since,
            reason,
        )
    return Wait(environment.ref, environment.key, reason, None, due, WaitingFor.IMAGE)


def pinned(environment: EnvironmentFacts, requests: Iterable[ImageRequest]) -> dict[str, ImagePin]:
    """By name, those of the head commit that are known; of an image that was moved to another repository, none."""
    looked = _current_lookup(environment)
    found = {answer.name: answer.pin for answer in (looked.results if looked else ()) if answer.pin}
    known = {**found, **_pins_of_record(environment.record, environment.head)}
    return {
        wish.name: known[wish.name]
        for wish in requests
        if wish.name in known and known[wish.name].reference.startswith(f"{wish.repository}@")
    }


def with_pins(recipe: Recipe, pins: Mapping[str, ImagePin]) -> Recipe:
    references = {name: pin.reference for name, pin in pins.items()}
    spec = replace(recipe.spec, images=references, found={name: pin.how for name, pin in pins.items()})
    return replace(recipe, spec=spec, digest=specs.digest_with_images(recipe.digest, references))


def is_as_built(recipe: Recipe, built: BuildInfo) -> bool:
    """Whether what was built is what the recipe asks for, its images being those that were pinned then."""
    digest = specs.digest_with_images(recipe.digest, built.images) if recipe.images else recipe.digest
    return (built.commit, built.spec_digest) == (recipe.spec.source.commit, digest)


def missing(environment: EnvironmentFacts, recipe: Recipe) -> tuple[MissingImage, ...]:
    """What was looked for in vain; nothing while nothing was looked for."""
    looked = _current_lookup(environment)
    if looked is None or not recipe.images:
        return ()
    pins, answers = pinned(environment, recipe.images), {answer.name: answer for answer in looked.results}
    found = []
    for wish in recipe.images:
        if wish.name not in pins and wish.name in answers:
            answer = answers[wish.name]
            deadline = looked.since if wish.fallback is Fallback.FAIL else looked.since + wish.wait
            found.append(MissingImage(wish, answer, deadline, deadline <= looked.at and not answer.unreachable))
    return tuple(found)


def waiting_since(environment: EnvironmentFacts) -> datetime | None:
    looked = _current_lookup(environment)
    return looked.since if looked else None


def failure(environment: EnvironmentFacts, recipe: Recipe) -> tuple[str, datetime] | None:
    """Why it will not be made for now, and since when; None: it is still waited for, or nothing is missing."""
    over = [each for each in missing(environment, recipe) if each.timed_out]
    if not over:
        return None
    return _failure_reason(environment, over), max(each.deadline for each in over)


# --- words


def _waiting_reason(environment: EnvironmentFacts, recipe: Recipe) -> str:
    """Each look finds the same words as long as the same is said, so that nothing is told anew."""
    found = missing(environment, recipe)
    over = [each for each in found if each.timed_out]
    if over:
        return _failure_reason(environment, over)
    looked = _current_lookup(environment)
    commit = formatting.commit(environment.head)
    if not found or looked is None:
        return (
            f"looking for the images of commit {commit}: "
            f"{formatting.join_words(wish.repository for wish in recipe.images)}"
        )
    silent = [each for each in found if each.result.unreachable]
    names = formatting.join_words(each.request.name for each in found)
    if silent:
        return f"waiting for image {names} of commit {commit}; the registry is unavailable. {silent[0].sentence}"
    until = min(each.deadline for each in found)
    said = ". ".join(each.sentence for each in found)
    return (
        f"waiting for image {names} of commit {commit} since {formatting.timestamp(looked.since)}, at most until "
        f"{formatting.timestamp(until)}. {said}"
    )


def _failure_reason(environment: EnvironmentFacts, images: Iterable[MissingImage]) -> str:
    each = next(iter(images))
    waited = "" if each.request.fallback is Fallback.FAIL else f" within {formatting.duration(each.request.wait)}"
    return (
        f"image {each.request.name} for commit {formatting.commit(environment.head)} not found{waited}. "
        f"{each.sentence}. "
        "After pushing the image, retry with `/eph retry`"
    )


# --- when


def _current_lookup(environment: EnvironmentFacts) -> ImageLookup | None:
    found = environment.image_lookup
    return found if found is not None and found.commit == environment.head else None


def _lookup_since(environment: EnvironmentFacts, lookup: ImageLookup | None, now: datetime) -> datetime:
    """When the wait began: a person who asks to try again begins it anew."""
    again = environment.latest_intent(IntentKind.RETRY)
    if lookup is None or (again is not None and again.at > lookup.at):
        return now
    return min(lookup.since, now)


def _may_fall_back(request: ImageRequest, since: datetime, now: datetime) -> bool:
    waited = request.fallback is Fallback.WAIT and since + request.wait <= now
    return bool(request.fallback_tag) and (request.fallback is Fallback.USE or waited)


def _next_lookup(environment: EnvironmentFacts, recipe: Recipe, policy: Policy, now: datetime) -> datetime:
    """When it is looked for again."""
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
    told = [each.result for each in missing_images]
    if any(answer.unreachable for answer in told):
        asked_for = timedelta(seconds=max(answer.retry_after for answer in told))
        return max(asked_for, backoff.backoff_delay(policy.backoff, lookup.consecutive_errors, environment.ref))
    if any(each.timed_out for each in missing_images):
        return policy.backoff.stalled_interval
    return policy.image_poll_interval


def _pins_of_record(record: StackRecord | None, head: str) -> dict[str, ImagePin]:
    """What the stack's own state says: of a build that began, else of the one that ended."""
    if record is None or not head:
        return {}
    for said in (record.pinned_images, record.built):
        if said is not None and said.commit == head and said.images:
            return {name: ImagePin(text, said.found.get(name, "")) for name, text in said.images.items()}
    return {}

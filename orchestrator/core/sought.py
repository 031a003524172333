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

from orchestrator.core import backoff, reasons
from orchestrator.core.actions import Because, Find, Wait
from orchestrator.core.images import Answer, Fallback, ImageWish, Looked, Pin
from orchestrator.core.model import Recipe
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from programs import spec as specs
from stacks.model import Built, StackRecord


@dataclass(frozen=True, slots=True)
class Missing:
    """One image without a pin, as last looked for. ``deadline``: when its wait is over."""

    wish: ImageWish
    answer: Answer
    deadline: datetime
    over: bool

    @property
    def sentence(self) -> str:
        said = [*self.answer.told, *([self.answer.trouble] if self.answer.trouble else [])]
        return f"{self.wish.repository}: {'; '.join(said) or 'nothing was said of it'}"


def judge(subject: Subject, recipe: Recipe, policy: Policy, now: datetime) -> Recipe | Find | Wait:
    """The recipe with every image pinned; or what is done about those that are not."""
    if not recipe.images:
        return recipe
    pins = pinned(subject, recipe.images)
    if len(pins) == len(recipe.images):
        return with_pins(recipe, pins)
    looked = _looked(subject)
    since = _since(subject, looked, now)
    reason = _reason(subject, recipe)
    due = _due(subject, recipe, policy, now)
    if due <= now:
        left = tuple(wish for wish in recipe.images if wish.name not in pins)
        fall_back = frozenset(wish.name for wish in left if _may_fall_back(wish, since, now))
        return Find(
            subject.ref, subject.key, subject.head, recipe.spec.target, recipe.images, left, fall_back, since, reason
        )
    return Wait(subject.ref, subject.key, reason, None, due, Because.IMAGE)


def pinned(subject: Subject, wishes: Iterable[ImageWish]) -> dict[str, Pin]:
    """By name, those of the head commit that are known; of an image that was moved to another repository, none."""
    looked = _looked(subject)
    found = {answer.name: answer.pin for answer in (looked.answers if looked else ()) if answer.pin}
    known = {**found, **_of_record(subject.record, subject.head)}
    return {
        wish.name: known[wish.name]
        for wish in wishes
        if wish.name in known and known[wish.name].reference.startswith(f"{wish.repository}@")
    }


def with_pins(recipe: Recipe, pins: Mapping[str, Pin]) -> Recipe:
    references = {name: pin.reference for name, pin in pins.items()}
    spec = replace(recipe.spec, images=references, found={name: pin.how for name, pin in pins.items()})
    return replace(recipe, spec=spec, digest=specs.pinned(recipe.digest, references))


def is_as_built(recipe: Recipe, built: Built) -> bool:
    """Whether what was built is what the recipe asks for, its images being those that were pinned then."""
    digest = specs.pinned(recipe.digest, built.images) if recipe.images else recipe.digest
    return (built.commit, built.spec_digest) == (recipe.spec.source.commit, digest)


def missing(subject: Subject, recipe: Recipe) -> tuple[Missing, ...]:
    """What was looked for in vain; nothing while nothing was looked for."""
    looked = _looked(subject)
    if looked is None or not recipe.images:
        return ()
    pins, answers = pinned(subject, recipe.images), {answer.name: answer for answer in looked.answers}
    found = []
    for wish in recipe.images:
        if wish.name not in pins and wish.name in answers:
            answer = answers[wish.name]
            deadline = looked.since if wish.fallback is Fallback.FAIL else looked.since + wish.wait
            found.append(Missing(wish, answer, deadline, deadline <= looked.at and not answer.unreachable))
    return tuple(found)


def waits_since(subject: Subject) -> datetime | None:
    looked = _looked(subject)
    return looked.since if looked else None


def failure(subject: Subject, recipe: Recipe) -> tuple[str, datetime] | None:
    """Why it will not be made for now, and since when; None: it is still waited for, or nothing is missing."""
    over = [each for each in missing(subject, recipe) if each.over]
    if not over:
        return None
    return _given_up(subject, over), max(each.deadline for each in over)


# --- words


def _reason(subject: Subject, recipe: Recipe) -> str:
    """Each look finds the same words as long as the same is said, so that nothing is told anew."""
    found = missing(subject, recipe)
    over = [each for each in found if each.over]
    if over:
        return _given_up(subject, over)
    looked = _looked(subject)
    commit = reasons.commit(subject.head)
    if not found or looked is None:
        return f"the images of {commit} are looked for: {reasons.listing(wish.repository for wish in recipe.images)}"
    silent = [each for each in found if each.answer.unreachable]
    names = reasons.listing(each.wish.name for each in found)
    if silent:
        return f"waits for image {names} of {commit}, which cannot be looked for: {silent[0].sentence}"
    until = min(each.deadline for each in found)
    said = ". ".join(each.sentence for each in found)
    return (
        f"waits for image {names} of {commit} since {reasons.moment(looked.since)}, at most until "
        f"{reasons.moment(until)}. {said}"
    )


def _given_up(subject: Subject, over: Iterable[Missing]) -> str:
    each = next(iter(over))
    waited = "" if each.wish.fallback is Fallback.FAIL else f" within {reasons.duration(each.wish.wait)}"
    return (
        f"there is no image {each.wish.name} for commit {reasons.commit(subject.head)}{waited}. {each.sentence}. "
        "Once it is pushed, `/eph retry` looks again; so does a push"
    )


# --- when


def _looked(subject: Subject) -> Looked | None:
    found = subject.looked
    return found if found is not None and found.commit == subject.head else None


def _since(subject: Subject, looked: Looked | None, now: datetime) -> datetime:
    """When the wait began: a person who asks to try again begins it anew."""
    again = subject.asked("retry")
    if looked is None or (again is not None and again.at > looked.at):
        return now
    return min(looked.since, now)


def _may_fall_back(wish: ImageWish, since: datetime, now: datetime) -> bool:
    waited = wish.fallback is Fallback.WAIT and since + wish.wait <= now
    return bool(wish.fallback_tag) and (wish.fallback is Fallback.USE or waited)


def _due(subject: Subject, recipe: Recipe, policy: Policy, now: datetime) -> datetime:
    """When it is looked for again."""
    looked, found = _looked(subject), missing(subject, recipe)
    again = subject.asked("retry")
    if looked is None or looked.wishes != recipe.images or looked.at > now or not found:
        return now
    if again is not None and again.at > looked.at:
        return now
    ends = [each.deadline for each in found if looked.at < each.deadline]
    return min([looked.at + _pause(subject, looked, found, policy), *ends])


def _pause(subject: Subject, looked: Looked, found: Iterable[Missing], policy: Policy) -> timedelta:
    told = [each.answer for each in found]
    if any(answer.unreachable for answer in told):
        asked_for = timedelta(seconds=max(answer.pause for answer in told))
        return max(asked_for, backoff.delay(policy.backoff, looked.troubles, subject.ref))
    if any(each.over for each in found):
        return policy.backoff.stalled_every
    return policy.image_every


def _of_record(record: StackRecord | None, head: str) -> dict[str, Pin]:
    """What the stack's own state says: of a build that began, else of the one that ended."""
    if record is None or not head:
        return {}
    for said in (record.pinned, record.built):
        if said is not None and said.commit == head and said.images:
            return {name: Pin(text, said.found.get(name, "")) for name, text in said.images.items()}
    return {}

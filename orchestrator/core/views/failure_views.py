"""The failure that a view shows: of an image lookup, or of the last operation on the wanted commit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.core import wording
from orchestrator.core.desired import image_pinning
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.world import Recipe
from orchestrator.core.planning import backoff
from orchestrator.core.planning.plan_actions import Action, Find, Wait, WaitingFor
from stacks.model import OperationVerb, Outcome

IMAGE_STEP = "image lookup"
"""The step of a failed image lookup, which isn't part of an operation."""


@dataclass(frozen=True, slots=True)
class FailureView:
    """What failed, for the person who can fix it. ``tries`` is 0 if an image is missing."""

    commit: str
    step: str
    error: str
    tail: tuple[str, ...]
    at: datetime
    tries: int
    next_try: datetime | None
    verb: OperationVerb = OperationVerb.UP
    permanent: bool = False
    """The commit would fail again, so it isn't retried."""


def find(subject: EnvironmentFacts, action: Action, now: datetime) -> FailureView | None:
    """The failure of the wanted commit; those of older commits aren't shown."""
    if (found := _image_failure(subject, action)) is not None:
        return found
    last = subject.failure if subject.failure and subject.failure.outcome is Outcome.FAILED else None
    verb = (
        last.verb if last is not None and last.verb in (OperationVerb.DESTROY, OperationVerb.WAKE) else OperationVerb.UP
    )
    tried = backoff.count_attempts(subject, verb, subject.head, now)
    if not tried.failed or tried.last is None:
        return None
    matching = last if last is not None and (verb is not OperationVerb.UP or last.commit == subject.head) else None
    return FailureView(
        commit=matching.commit if matching else subject.head,
        step=matching.step if matching else "",
        error=matching.error if matching else wording.facts.OUTPUT_LOST,
        tail=matching.tail if matching else (),
        at=tried.last,
        tries=tried.failed,
        next_try=action.until if isinstance(action, Wait) else None,
        verb=verb,
        permanent=matching is not None and not matching.retryable,
    )


def _image_failure(subject: EnvironmentFacts, action: Action) -> FailureView | None:
    """Only while it waits for an image: an environment that is no longer wanted misses none."""
    recipe = subject.request.recipe if subject.request else None
    waits = isinstance(action, Find) or (isinstance(action, Wait) and action.waiting_for is WaitingFor.IMAGE)
    over = image_pinning.failure(subject, recipe) if waits and isinstance(recipe, Recipe) else None
    if over is None:
        return None
    until = action.until if isinstance(action, Wait) else None
    return FailureView(subject.head, IMAGE_STEP, over[0], (), over[1], 0, until)

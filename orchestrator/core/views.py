"""What people see of an environment, from one value: comment, check run, API, CLI, gateway pages all render this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core import accounts, backoff, decisions, expiries, hours, phases, rests, sought, subjects, suites
from orchestrator.core.actions import Action, Because, Find, Hold, Keep, Purge, Refuse, Wait
from orchestrator.core.images import Pin
from orchestrator.core.model import Key, Recipe, World
from orchestrator.core.phases import Phase
from orchestrator.core.plans import Plan
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject
from orchestrator.core.suites import SuiteView
from orchestrator.core.trials import Trials
from stacks.model import Outcome, RefKind, StackRef, Verb

IMAGE_STEP = "finding the image"
"""The step of a failure that no operation had."""


@dataclass(frozen=True, slots=True)
class FailureView:
    """What went wrong, for the person who can mend it. ``tries`` 0: nothing was tried, for something is missing."""

    commit: str
    step: str
    error: str
    tail: tuple[str, ...]
    at: datetime
    tries: int
    next_try: datetime | None


@dataclass(frozen=True, slots=True)
class ImageView:
    """``how``: which place named it, and what those before it said."""

    reference: str
    how: str


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """One environment, wanted or existing. ``commit`` is what runs, ``wanted_commit`` what should.

    ``reasons`` are the sentences of ``eph why``: first what was decided and why, then the facts that it stands on.
    ``problems`` are eph.yaml's mistakes with file and line.
    """

    ref: StackRef
    key: Key | None
    repository: str
    name: str
    host: str
    phase: Phase
    reasons: tuple[str, ...]
    url: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)
    target: str = "local"
    title: str = ""
    author: str = ""
    branch: str = ""
    pull_url: str = ""
    ref_name: str = ""
    """Of a branch or a tag, which has no pull request: its name."""
    commit: str = ""
    wanted_commit: str = ""
    since: datetime | None = None
    ready_at: datetime | None = None
    expires_at: datetime | None = None
    queue_position: int | None = None
    problems: tuple[str, ...] = ()
    tests: tuple[SuiteView, ...] = ()
    """The suites of the newest commit, once its environment stands."""
    repaired: str = ""
    """What was lost behind our back and is there again, and when."""
    images: Mapping[str, ImageView] = field(default_factory=dict)
    """By name, what the wanted commit runs, as far as it was found."""
    failure: FailureView | None = None
    progress: str = ""
    command: str = ""
    """What an operator can type, when the phase is ``held``."""
    kept: bool = False
    """Its clock stands still: it does not expire."""
    expires_soon: bool = False
    """Its time is up within the warning that the policy sets."""
    notices: tuple[str, ...] = ()
    """What eph.yaml asks for and this version of Eph does not do."""
    rules: tuple[str, ...] = ()
    """When it sleeps, in sentences that stay the same."""
    sleeps_at: datetime | None = None
    """When it falls asleep if nobody uses it until then."""
    asleep_since: datetime | None = None
    wakes_at: datetime | None = None
    """Of one that sleeps, when its hours begin."""
    used_at: datetime | None = None
    """The last visit, as the gateway saw it."""


def called(view: EnvironmentView) -> str:
    """``acme/shop#42`` or ``acme/shop@main``."""
    if view.key is None:
        return view.repository
    is_pull = view.key.kind is RefKind.PULL
    return f"{view.repository}#{view.key.number}" if is_pull else f"{view.repository}@{view.ref_name or view.ref.stack}"


def of(world: World, plan: Plan, policy: Policy, now: datetime) -> tuple[EnvironmentView, ...]:
    """One view for each environment that exists, is wanted, or is refused; in order of name."""
    actions = {action.ref: action for action in plan.actions if not isinstance(action, Purge)}
    shown = [
        _Facts(subject, actions[subject.ref], policy, now, world.trials)
        for subject in subjects.of(world)
        if subject.ref in actions
    ]
    views = [_view(facts) for facts in shown if not _is_nothing(facts)]
    return tuple(sorted(views, key=lambda view: (view.repository, view.key or Key(0, 0), view.ref)))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What one view is made of."""

    subject: Subject
    action: Action
    policy: Policy
    now: datetime
    trials: Trials


def _is_nothing(facts: _Facts) -> bool:
    """Neither wanted nor existing: a pull request that Eph has no word about."""
    subject = facts.subject
    return isinstance(facts.action, Keep) and subject.record is None and subject.running is None


def _view(facts: _Facts) -> EnvironmentView:
    subject, action = facts.subject, facts.action
    pull = subject.candidate.pull if subject.candidate else None
    recipe = subject.candidate.recipe if subject.candidate else None
    built = subject.record.built if subject.record else None
    failure = _failure(facts)
    phase = phases.of(subject, action, failure is not None, facts.policy)
    slept = subject.tag.asleep if subject.tag and phase is Phase.ASLEEP else None
    return EnvironmentView(
        ref=subject.ref,
        key=subject.key,
        repository=subject.repository_name,
        name=subject.name,
        host=_host(subject),
        phase=phase,
        reasons=(action.reason, *accounts.of(subject, facts.policy, facts.now)),
        url=built.url if built else "",
        urls=built.urls if built else {},
        target=_target(subject),
        title=pull.title if pull else "",
        ref_name=subject.ref_name,
        author=pull.author if pull else "",
        branch=pull.head_ref if pull else "",
        pull_url=pull.url if pull else "",
        commit=built.commit if built else "",
        wanted_commit=subject.head,
        since=_since(facts, phase),
        ready_at=subject.health.since if phase is Phase.READY and subject.health else None,
        expires_at=expiries.expires_at(subject, facts.policy, facts.now) if subject.candidate else None,
        kept=subject.record is not None and expiries.kept(subject),
        expires_soon=subject.candidate is not None and expiries.is_soon(subject, facts.policy, facts.now),
        queue_position=action.position if isinstance(action, Wait) else None,
        problems=action.problems if isinstance(action, Refuse) else (),
        tests=_tests(facts, phase),
        repaired=accounts.mended(subject),
        images={name: ImageView(pin.reference, pin.how) for name, pin in _pins(subject).items()},
        failure=failure,
        progress=subject.running.progress if subject.running else "",
        command=action.command if isinstance(action, Hold) else "",
        notices=recipe.notices if isinstance(recipe, Recipe) else (),
        rules=tuple(rests.rules(subject, facts.policy)),
        sleeps_at=_sleeps_at(facts, phase),
        asleep_since=slept,
        wakes_at=_wakes_at(facts) if phase is Phase.ASLEEP else None,
        used_at=rests.last_used(subject),
    )


def _sleeps_at(facts: _Facts, phase: Phase) -> datetime | None:
    if phase not in (Phase.READY, Phase.UNHEALTHY, Phase.STARTING) or facts.subject.tag is None:
        return None
    due = rests.sleeps_at(facts.subject, facts.policy, facts.now)
    return due.at if due is not None else None


def _wakes_at(facts: _Facts) -> datetime | None:
    schedule = rests.schedule_of(facts.subject)
    return hours.next_opens(schedule, facts.now) if schedule else None


def _tests(facts: _Facts, phase: Phase) -> tuple[SuiteView, ...]:
    subject = facts.subject
    recipe = subject.candidate.recipe if subject.candidate else None
    built = subject.record.built if subject.record else None
    if not isinstance(recipe, Recipe) or built is None:
        return ()
    place = suites.Place(subject.ref, phase, built.commit, subject.head, recipe.suites)
    return suites.shown(place, facts.trials)


def _pins(subject: Subject) -> Mapping[str, Pin]:
    recipe = subject.candidate.recipe if subject.candidate else None
    return sought.pinned(subject, recipe.images) if isinstance(recipe, Recipe) else {}


def _without_image(facts: _Facts) -> FailureView | None:
    """While nothing else was decided: an environment that nobody wants any more lacks nothing."""
    subject, action = facts.subject, facts.action
    recipe = subject.candidate.recipe if subject.candidate else None
    waits = isinstance(action, Find) or (isinstance(action, Wait) and action.because is Because.IMAGE)
    over = sought.failure(subject, recipe) if waits and isinstance(recipe, Recipe) else None
    if over is None:
        return None
    until = action.until if isinstance(action, Wait) else None
    return FailureView(subject.head, IMAGE_STEP, over[0], (), over[1], 0, until)


def _failure(facts: _Facts) -> FailureView | None:
    """What went wrong with what is wanted now; a failure of an older commit is no longer news."""
    subject = facts.subject
    if (found := _without_image(facts)) is not None:
        return found
    last = subject.failure if subject.failure and subject.failure.outcome is Outcome.FAILED else None
    verb = last.verb if last is not None and last.verb in (Verb.DESTROY, Verb.WAKE) else Verb.UP
    tried = backoff.tries(subject, verb, subject.head, facts.now)
    if not tried.failed or tried.last is None:
        return None
    matching = last if last is not None and (verb is not Verb.UP or last.commit == subject.head) else None
    action = facts.action
    return FailureView(
        commit=matching.commit if matching else subject.head,
        step=matching.step if matching else "",
        error=matching.error if matching else "the last try failed; its output was lost with a restart",
        tail=matching.tail if matching else (),
        at=tried.last,
        tries=tried.failed,
        next_try=action.until if isinstance(action, Wait) else None,
    )


def _since(facts: _Facts, phase: Phase) -> datetime | None:
    """When the phase began, as far as the facts tell."""
    subject = facts.subject
    if subject.running is not None:
        return subject.running.started
    if phase in (Phase.READY, Phase.UNHEALTHY) and subject.health is not None:
        return subject.health.since
    if phase is Phase.IMAGE or (phase is Phase.FAILED and subject.failure is None):
        return sought.waits_since(subject) or subject.seen
    if phase in (Phase.FAILED, Phase.STALLED) and subject.failure is not None:
        return subject.failure.ended
    if phase is Phase.ASLEEP and subject.tag is not None and subject.tag.asleep:
        return subject.tag.asleep
    if phase is Phase.STARTING and subject.record is not None and subject.record.built is not None:
        return subject.record.built.at
    return subject.behind_since or subject.seen


def _host(subject: Subject) -> str:
    recipe = subject.candidate.recipe if subject.candidate else None
    if isinstance(recipe, Recipe):
        return decisions.named_as_before(recipe.spec, subject.record.name if subject.record else "").host
    built = subject.record.built if subject.record else None
    return built.url.partition("://")[2].partition("/")[0].partition(":")[0] if built else ""


def _target(subject: Subject) -> str:
    if subject.record is not None:
        return subject.record.target
    recipe = subject.candidate.recipe if subject.candidate else None
    return recipe.spec.target if isinstance(recipe, Recipe) else "local"

"""The view of an environment that comment, check run, API, CLI and gateway pages render."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core import wording
from orchestrator.core.costs import cost_views
from orchestrator.core.costs.budgets import BudgetState
from orchestrator.core.costs.cost_views import CostView
from orchestrator.core.desired import expiry, image_pinning
from orchestrator.core.model import environment_facts, image_lookup
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.image_lookup import ImagePin
from orchestrator.core.model.joins import WantedOnly
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.variables import NO_OVERRIDES, VariableOverrides
from orchestrator.core.model.world import Recipe, World
from orchestrator.core.planning import decisions
from orchestrator.core.planning.plan_actions import Action, Hold, Keep, Purge, Refuse, Wait, WaitingFor
from orchestrator.core.planning.plans import Plan
from orchestrator.core.sleep import schedules, sleep_rules
from orchestrator.core.suites import suite_plan
from orchestrator.core.suites.suite_plan import SuiteView
from orchestrator.core.suites.suite_results import SuiteRuns
from orchestrator.core.util import formatting
from orchestrator.core.views import explanations, failure_views, phase_rules
from orchestrator.core.views.failure_views import FailureView
from orchestrator.core.views.phases import Phase
from programs import variables
from programs.spec import DEFAULT_TARGET
from stacks import keys
from stacks.model import Key, OperationVerb, Outcome, RefKind, StackRef


@dataclass(frozen=True, slots=True)
class ImageView:
    """``how``: how the image was found."""

    reference: str
    how: str

    @property
    def fallback_tag(self) -> str:
        """The tag, if it is only the fallback."""
        return image_lookup.fallback_tag(self.how)


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link of eph.yaml."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class EarlierBuild:
    """A commit that was live before the current one."""

    commit: str
    built_at: datetime


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """One environment, wanted or existing. ``commit`` is live, ``wanted_commit`` is the desired one.

    ``reasons`` are the sentences of ``eph why``: first the decision, then the facts behind it. ``problems`` are errors
    in eph.yaml, with file and line.
    """

    ref: StackRef
    key: Key | None
    repository: str
    name: str
    host: str
    phase: Phase
    reasons: tuple[str, ...]
    url: str = ""
    page_url: str = ""
    """The environment's page on the dashboard."""
    urls: Mapping[str, str] = field(default_factory=dict)
    links: tuple[LinkView, ...] = ()
    """The links of eph.yaml, once the environment has URLs."""
    target: str = DEFAULT_TARGET
    title: str = ""
    author: str = ""
    branch: str = ""
    pull_url: str = ""
    ref_name: str = ""
    """The name of a branch or tag, which has no pull request."""
    commit: str = ""
    wanted_commit: str = ""
    unchecked: bool = False
    """Nothing is known yet of its health, although it isn't new: Eph has just started."""
    is_paused: bool = False
    """It waits, and the server is paused."""
    awaits_approval: bool = False
    """The wanted commit is a fork's, and a person must approve it."""
    since: datetime | None = None
    ready_at: datetime | None = None
    expires_at: datetime | None = None
    served_until: datetime | None = None
    """When what is live of a label deploy expires. ``expires_at`` may be that of a newer one under the same label."""
    queue_position: int | None = None
    problems: tuple[str, ...] = ()
    tests: tuple[SuiteView, ...] = ()
    """The suites of the newest commit, once its environment exists."""
    repaired: str = ""
    """The last repair, and when it happened."""
    images: Mapping[str, ImageView] = field(default_factory=dict)
    """The images found for the wanted commit, by name."""
    failure: FailureView | None = None
    progress: str = ""
    command: str = ""
    """What an operator can run while the environment is on hold."""
    kept: bool = False
    """Expiry is off."""
    expires_soon: bool = False
    """It expires within the policy's warning time."""
    notices: tuple[str, ...] = ()
    """What eph.yaml or the manifests contain without effect."""
    rules: tuple[str, ...] = ()
    """When it sleeps, in sentences that don't change over time."""
    sleeps_at: datetime | None = None
    """When it goes to sleep unless visited."""
    asleep_since: datetime | None = None
    wakes_at: datetime | None = None
    """When a sleeping environment wakes on schedule."""
    used_at: datetime | None = None
    """The last visit recorded by the gateway."""
    app: str = ""
    """The host name of its app's route, if eph.yaml sets one."""
    built_at: datetime | None = None
    """When ``commit`` was built."""
    built_images: Mapping[str, str] = field(default_factory=dict)
    """The images that ``commit`` runs, by name, each with its digest."""
    earlier_builds: tuple[EarlierBuild, ...] = ()
    """The newest first, as far as the stack's history goes."""
    cost: CostView | None = None
    """None: no price is known."""
    sign_in: bool | None = None
    """Whether the wanted commit's eph.yaml requires people to sign in. None: unknown, because it can't be read."""
    allow: tuple[str, ...] = ()
    """Only these people can open it; empty: everyone who can sign in."""
    disabled: tuple[str, ...] = ()
    """The services that the pull request's labels turn off."""
    size: str = ""
    """The size that its labels select."""
    bar: bool = False
    """Whether the gateway shows the bar on its pages."""
    variables: VariableOverrides = NO_OVERRIDES
    """Set by people, as recorded."""

    @property
    def ref_type(self) -> str:
        """``pr``, ``branch`` or ``tag``."""
        return str(self.key.kind) if self.key else ""

    @property
    def number(self) -> int | None:
        """The pull request's number; None for a branch or a tag."""
        return self.key.number if self.key and self.key.kind is RefKind.PULL else None


def display_name(view: EnvironmentView) -> str:
    """``acme/shop#42`` or ``acme/shop@main``."""
    if view.key is None:
        return view.repository
    return formatting.reference(view.repository, view.key, view.ref_name)


def _position(view: EnvironmentView) -> tuple[str, int, StackRef]:
    return view.repository, keys.to_number(view.key) if view.key else 0, view.ref


def build(world: World, plan: Plan, policy: Policy, now: datetime) -> tuple[EnvironmentView, ...]:
    """One view for each environment that exists, is wanted, or is refused; sorted."""
    actions = {action.ref: action for action in plan.actions if not isinstance(action, Purge)}
    shown = [
        _ViewInputs(subject, actions[subject.ref], policy, now, world.suite_runs, plan.budgets, plan.pause is not None)
        for subject in environment_facts.collect(world)
        if subject.ref in actions
    ]
    views = [_view(facts) for facts in shown if not _is_hidden(facts)]
    return tuple(sorted(views, key=_position))


@dataclass(frozen=True, slots=True)
class _ViewInputs:
    """The input of one view."""

    subject: EnvironmentFacts
    action: Action
    policy: Policy
    now: datetime
    suite_runs: SuiteRuns
    budgets: tuple[BudgetState, ...] = ()
    paused: bool = False


def _is_hidden(inputs: _ViewInputs) -> bool:
    """Neither wanted nor existing: there is nothing to report."""
    return isinstance(inputs.action, Keep) and isinstance(inputs.subject.join, WantedOnly)


def _view(inputs: _ViewInputs) -> EnvironmentView:
    subject, action = inputs.subject, inputs.action
    request = subject.request
    recipe = request.recipe if request else None
    built = subject.record.built if subject.record else None
    failure = failure_views.find(subject, action, inputs.now)
    phase = phase_rules.compute(subject, action, failure is not None, inputs.policy)
    slept = subject.tag.asleep if subject.tag and phase is Phase.ASLEEP else None
    return EnvironmentView(
        ref=subject.ref,
        key=subject.key,
        repository=subject.repository_name,
        name=subject.name,
        host=_host(subject),
        phase=phase,
        reasons=(action.reason, *explanations.explain(subject, inputs.policy, inputs.now)),
        url=built.url if built else "",
        page_url=_page_url(inputs),
        urls=built.urls if built else {},
        links=_links(subject),
        target=_target(subject),
        title=request.title if request else "",
        ref_name=subject.ref_name,
        author=request.author if request else "",
        branch=request.ref if request else "",
        pull_url=request.url if request else "",
        commit=built.commit if built else "",
        wanted_commit=subject.head,
        unchecked=phase is Phase.STARTING and _is_unchecked(subject, inputs),
        is_paused=inputs.paused and subject.running is None and isinstance(action, Wait | Hold),
        awaits_approval=isinstance(action, Wait) and action.waiting_for is WaitingFor.APPROVAL,
        since=_since(inputs, phase),
        ready_at=subject.health.since if phase is Phase.READY and subject.health else None,
        expires_at=expiry.expires_at(subject, inputs.policy, inputs.now) if subject.request else None,
        served_until=expiry.served_until(subject, inputs.policy),
        kept=subject.record is not None and expiry.is_kept(subject),
        expires_soon=subject.request is not None and expiry.expires_soon(subject, inputs.policy, inputs.now),
        queue_position=action.position if isinstance(action, Wait) else None,
        problems=action.problems if isinstance(action, Refuse) else (),
        tests=_suite_views(inputs, phase),
        repaired=explanations.repair_sentence(subject),
        images={name: ImageView(pin.reference, pin.how) for name, pin in _pins(subject).items()},
        failure=failure,
        progress=subject.running.progress if subject.running else "",
        command=action.command if isinstance(action, Hold) else "",
        notices=_notices(subject, phase),
        rules=tuple(sleep_rules.describe(subject, inputs.policy)),
        sleeps_at=_sleeps_at(inputs, phase),
        asleep_since=slept,
        wakes_at=_wakes_at(inputs) if phase is Phase.ASLEEP else None,
        used_at=sleep_rules.last_used(subject),
        app=recipe.app.host if isinstance(recipe, Recipe) else "",
        built_at=built.built_at if built else None,
        built_images=built.images if built else {},
        earlier_builds=_earlier_builds(subject),
        cost=cost_views.build(subject, inputs.policy, inputs.now, inputs.budgets),
        sign_in=recipe.spec.sign_in if isinstance(recipe, Recipe) else None,
        allow=recipe.spec.allow if isinstance(recipe, Recipe) else (),
        disabled=recipe.disabled if isinstance(recipe, Recipe) else (),
        size=recipe.size if isinstance(recipe, Recipe) else "",
        bar=isinstance(recipe, Recipe) and recipe.bar,
        variables=subject.variables,
    )


def _unused_databases(subject: EnvironmentFacts, phase: Phase) -> tuple[str, ...]:
    """Only of a commit that runs: before, nothing could have connected."""
    if phase is not Phase.READY:
        return ()
    return tuple(wording.facts.unused_database(name, variable) for name, variable in subject.unused_databases)


def _is_unchecked(environment: EnvironmentFacts, inputs: _ViewInputs) -> bool:
    built = environment.record.built if environment.record else None
    return (
        built is not None
        and environment.health is None
        and environment.running is None
        and built.built_at + inputs.policy.unhealthy_after < inputs.now
    )


def _notices(environment: EnvironmentFacts, phase: Phase) -> tuple[str, ...]:
    """Those about eph.yaml, those of the newest commit's build, and those about databases."""
    recipe = environment.request.recipe if environment.request else None
    built = environment.record.built if environment.record else None
    of_build = built.notices if built is not None and built.commit == environment.head else ()
    of_file = recipe.notices if isinstance(recipe, Recipe) else ()
    return (*of_file, *of_build, *_unused_databases(environment, phase))


def _links(environment: EnvironmentFacts) -> tuple[LinkView, ...]:
    """Without those to a service that the live environment doesn't have."""
    recipe = environment.request.recipe if environment.request else None
    built = environment.record.built if environment.record else None
    if not isinstance(recipe, Recipe) or built is None or not built.url:
        return ()
    values = variables.address_values(built.url, built.urls, {})
    found = [LinkView(item.name, variables.fill_text(item.url, values)) for item in recipe.links]
    return tuple(link for link in found if not any(variables.placeholders(link.url)))


def _earlier_builds(subject: EnvironmentFacts) -> tuple[EarlierBuild, ...]:
    """Each commit once, with its last build. The current one isn't among them."""
    record = subject.record
    if record is None or record.built is None:
        return ()
    ups = (entry for entry in record.history if entry.verb is OperationVerb.UP and entry.outcome is Outcome.SUCCEEDED)
    last = {entry.commit: entry.ended_at for entry in sorted(ups, key=lambda entry: entry.ended_at)}
    last.pop(record.built.commit, None)
    found = (EarlierBuild(commit, at) for commit, at in last.items() if commit)
    return tuple(sorted(found, key=lambda build: build.built_at, reverse=True))


def _page_url(inputs: _ViewInputs) -> str:
    base = inputs.policy.dashboard_url
    return f"{base}/e/{inputs.subject.name}" if base and inputs.subject.name else ""


def _sleeps_at(inputs: _ViewInputs, phase: Phase) -> datetime | None:
    if phase not in (Phase.READY, Phase.UNHEALTHY, Phase.STARTING) or inputs.subject.tag is None:
        return None
    due = sleep_rules.sleeps_at(inputs.subject, inputs.policy, inputs.now)
    return due.at if due is not None else None


def _wakes_at(inputs: _ViewInputs) -> datetime | None:
    schedule = sleep_rules.schedule_of(inputs.subject)
    return schedules.next_opening(schedule, inputs.now) if schedule else None


def _suite_views(inputs: _ViewInputs, phase: Phase) -> tuple[SuiteView, ...]:
    subject = inputs.subject
    recipe = subject.request.recipe if subject.request else None
    built = subject.record.built if subject.record else None
    if not isinstance(recipe, Recipe) or built is None:
        return ()
    place = suite_plan.SuiteEnvironment(subject.ref, phase, built.commit, subject.head, recipe.suites)
    return suite_plan.suite_views(place, inputs.suite_runs)


def _pins(environment: EnvironmentFacts) -> Mapping[str, ImagePin]:
    recipe = environment.request.recipe if environment.request else None
    return image_pinning.pinned(environment, recipe.images) if isinstance(recipe, Recipe) else {}


def _since(inputs: _ViewInputs, phase: Phase) -> datetime | None:
    """When the phase began, as far as known."""
    subject = inputs.subject
    if subject.running is not None:
        return subject.running.started
    if phase in (Phase.READY, Phase.UNHEALTHY) and subject.health is not None:
        return subject.health.since
    if phase is Phase.IMAGE or (phase is Phase.FAILED and subject.failure is None):
        return image_pinning.waiting_since(subject) or subject.first_seen_at
    if phase in (Phase.FAILED, Phase.STALLED) and subject.failure is not None:
        return subject.failure.ended
    if phase is Phase.ASLEEP and subject.tag is not None and subject.tag.asleep:
        return subject.tag.asleep
    if phase is Phase.STARTING and subject.record is not None and subject.record.built is not None:
        return subject.record.built.built_at
    return subject.waiting_since or subject.first_seen_at


def _host(environment: EnvironmentFacts) -> str:
    recipe = environment.request.recipe if environment.request else None
    if isinstance(recipe, Recipe):
        return decisions.keep_name(recipe.spec, environment.record.name if environment.record else "").host
    built = environment.record.built if environment.record else None
    return built.url.partition("://")[2].partition("/")[0].partition(":")[0] if built else ""


def _target(environment: EnvironmentFacts) -> str:
    if environment.record is not None:
        return environment.record.target
    recipe = environment.request.recipe if environment.request else None
    return recipe.spec.target if isinstance(recipe, Recipe) else DEFAULT_TARGET


def deploy_ends(views: Iterable[EnvironmentView], now: datetime) -> list[datetime]:
    """When label deploys will expire."""
    deploys = (view for view in views if view.key is not None and view.key.kind is RefKind.DEPLOY)
    return [view.expires_at for view in deploys if view.expires_at is not None and view.expires_at > now]

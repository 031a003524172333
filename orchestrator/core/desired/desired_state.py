"""What should be, for one environment: wanted, not wanted, or left as it is because something is missing.

Read ``determine`` from the top like a table: the first line that applies decides. ``Unwanted`` needs a statement by the
Git host, or by a person; whatever is less than that ends in ``Unchanged``. A reading that failed is never read as
'gone'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from orchestrator.core.desired import expiry, image_pinning
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.joins import ExistingOnly, WantedAndExisting, WantedOnly
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import (
    CheckState,
    IntentKind,
    PullState,
    Recipe,
    RecipeError,
    RepositoryFacts,
    Request,
)
from orchestrator.core.planning.plan_actions import (
    Confirm,
    Expire,
    Find,
    Hold,
    Refuse,
    Revive,
    Unlabel,
    Wait,
    WaitingFor,
)
from orchestrator.core.sleep import sleep_rules
from orchestrator.core.util import formatting, globs
from stacks.model import RefKind


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What every decision of one plan shares."""

    policy: Policy
    now: datetime
    stacks_complete: bool = True
    stacks_reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Unwanted:
    """``guarded``: not stated positively. ``report_always``: reported even when nothing exists."""

    reason: str
    guarded: bool = False
    report_always: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Whatever exists stays as it is, and this is said or done about it."""

    action: Wait | Refuse | Hold | Confirm | Find | Expire | Unlabel | Revive


DesiredState = Wanted | Unwanted | Unchanged


def determine(environment: EnvironmentFacts, context: PlanContext) -> DesiredState:
    down, again = environment.latest_intent(IntentKind.DOWN), environment.latest_intent(IntentKind.RETRY)
    if down is not None and (again is None or again.at < down.at):  # a person's word needs no Git host
        return Unwanted(f"{down.by} took it down", report_always=True)
    match environment.join:
        case ExistingOnly(repository=repository):
            if repository is None:  # this server isn't configured for it: an operator decides
                return Unchanged(_not_served(environment))
            return _absent(environment, repository)  # no request: why?
        case WantedOnly(repository, request) | WantedAndExisting(repository, request):
            return _determine_requested(environment, repository, request, context)
        case _:
            assert_never(environment.join)


def _determine_requested(
    environment: EnvironmentFacts, repository: RepositoryFacts, request: Request, context: PlanContext
) -> DesiredState:
    stated = _unwanted_by_host(environment, request, context)
    incomplete = not repository.is_complete_for(environment.key)
    if stated is not None and incomplete and _exists(environment):  # half an answer destroys nothing
        return Unchanged(_incomplete(environment, repository))
    if stated is not None:  # closed, unlabelled, expired, a draft: the Git host says so
        return _after_expiry(environment, request, stated, context) or stated
    over = _expiry(environment, context)
    if over is not None:  # its time is up: first the mark, then the destroy
        return Unchanged(over)
    return _check_buildable(environment, request, context)


def _exists(environment: EnvironmentFacts) -> bool:
    return not isinstance(environment.join, WantedOnly)


def _not_served(environment: EnvironmentFacts) -> Hold:
    return Hold(
        environment.ref,
        f"this server isn't configured for the repository of {environment.title}, "
        "so it can't tell whether the environment is still needed",
        f"eph down {environment.ref}",
    )


def _absent(environment: EnvironmentFacts, repository: RepositoryFacts) -> DesiredState:
    """A stack whose pull request is not among the labelled ones."""
    if environment.key.kind is not RefKind.PULL:
        return _absent_ref(environment, repository)
    confirmed = repository.confirmed.get(environment.key)
    if environment.key in repository.open:
        if repository.complete:  # open, read whole, and without our label
            return Unwanted(f"{environment.title} has no trigger label")
        return Unchanged(_incomplete(environment, repository))
    if confirmed is not None and confirmed.state in (PullState.CLOSED, PullState.MERGED):  # stated for this very one
        return Unwanted(f"{environment.title} is {confirmed.state}")
    if confirmed is not None and confirmed.state is PullState.GONE:  # weaker: a wrong id or a bug could say this
        return Unwanted(f"{environment.title} does not exist on the Git host", guarded=True)
    if not repository.complete:  # absence from half a list proves nothing
        return Unchanged(_incomplete(environment, repository))
    if confirmed is None:  # absent from a whole list: ask for that very one
        return Unchanged(
            Confirm(environment.ref, environment.key, f"{environment.title} is not among the open pull requests")
        )
    return Unchanged(
        Hold(environment.ref, f"{environment.title} is open but wasn't in the list; checking again in the next cycle")
    )


def _absent_ref(environment: EnvironmentFacts, repository: RepositoryFacts) -> DesiredState:
    """A stack whose branch or tag is not among the watched ones: is it gone, or is it watched no more?"""
    kind, confirmed = environment.key.kind, repository.confirmed.get(environment.key)
    if not repository.is_complete_for(environment.key):
        return Unchanged(_incomplete(environment, repository))
    if confirmed is None:
        reason = f"the {kind} {environment.title} doesn't match any trigger in eph.yaml"
        return Unchanged(Confirm(environment.ref, environment.key, reason, environment.ref_name))
    if confirmed.state is PullState.GONE:
        return Unwanted(f"the {kind} {environment.ref_name} does not exist on the Git host", guarded=True)
    if not globs.any_matches(repository.watched_refs.patterns_for(kind), confirmed.head_ref):
        return Unwanted(f"no trigger in the default branch's eph.yaml matches the {kind} {confirmed.head_ref}")
    return Unchanged(
        Hold(environment.ref, f"{environment.title} exists but wasn't in the list; checking again in the next cycle")
    )


def _incomplete(environment: EnvironmentFacts, repository: RepositoryFacts) -> Hold:
    why = repository.reason or repository.refs_reason or "the Git host's response was incomplete"
    return Hold(
        environment.ref,
        f"{repository.full_name} could not be read completely ({why}), so none of its environments is destroyed",
    )


def _unwanted_by_host(environment: EnvironmentFacts, request: Request, context: PlanContext) -> Unwanted | None:
    """The Git host says positively that this request gets no environment."""
    pull, recipe = request.pull, request.recipe
    if pull.state is not PullState.OPEN:
        return Unwanted(f"{environment.title} is {pull.state}")
    # A broken eph.yaml cannot say which labels it means: it never takes away what it once gave.
    unlabelled = pull.key.kind is RefKind.PULL and not pull.labels & recipe.labels
    if unlabelled and (isinstance(recipe, Recipe) or not _exists(environment)):
        wanted = formatting.join_words(recipe.labels) or "eph.yaml defines none"
        return Unwanted(f"{environment.title} has no trigger label ({wanted})")
    if expiry.is_marked_expired(environment, context.policy, context.now):
        unused = sleep_rules.parse_unused_reason(request.expiry_reason)
        over = unused or f"commit {formatting.commit(environment.head)} expired"
        return Unwanted(over, report_always=True, expired=True)
    if isinstance(recipe, Recipe) and pull.draft and not recipe.allow_drafts:
        return Unwanted(f"{environment.title} is a draft, and its eph.yaml excludes drafts", report_always=True)
    if isinstance(recipe, Recipe) and recipe.paths and request.matches_paths is False:
        paths = formatting.join_words(recipe.paths)
        return Unwanted(
            f"{environment.title} changes no file that matches the paths in its eph.yaml ({paths})", report_always=True
        )
    return None


def _after_expiry(
    environment: EnvironmentFacts, request: Request, unwanted: Unwanted, context: PlanContext
) -> Unchanged | None:
    """What expired loses its label once it is gone; and a label that comes back is a person who asks for more."""
    if not unwanted.expired or _exists(environment) or not context.stacks_complete:
        return None
    commit, labels = environment.head, tuple(sorted(request.pull.labels & request.recipe.labels))
    if request.label_removed and labels:
        reason = f"its trigger label was added again after commit {formatting.commit(commit)} expired"
        return Unchanged(Revive(environment.ref, environment.key, commit, reason))
    if request.label_removed is None and labels:
        return Unchanged(Unlabel(environment.ref, environment.key, commit, labels, unwanted.reason))
    return None


def _expiry(environment: EnvironmentFacts, context: PlanContext) -> Expire | None:
    end = expiry.expires_at(environment, context.policy, context.now)
    if environment.request and environment.request.expired:
        return None
    unused = sleep_rules.unused_reason(environment, context.policy, context.now)
    if unused:
        return Expire(environment.ref, environment.key, environment.head, unused)
    if end is None or end > context.now:
        return None
    ttl = formatting.duration(expiry.ttl(environment, context.policy))
    reason = f"expired at {formatting.timestamp(end)} ({ttl} after the newest commit or the last extension)"
    return Expire(environment.ref, environment.key, environment.head, reason)


def _check_buildable(environment: EnvironmentFacts, request: Request, context: PlanContext) -> DesiredState:
    """Open, labelled and in time: may it be built, and is everything known that building needs?"""
    pull, recipe = request.pull, request.recipe
    if pull.from_fork and (not context.policy.allow_forks or not request.approval):  # nothing of a fork's runs unseen
        return Unchanged(_await_approval(environment, context))
    if isinstance(recipe, RecipeError):
        return Unchanged(_unreadable_recipe(environment, recipe))
    guarded = recipe.spec.target in context.policy.trusted_authors_only
    if guarded and pull.from_fork and not context.policy.approval_is_trust:
        return Unchanged(_refuse_fork(environment, recipe))
    if guarded and not pull.from_fork and not pull.author_trusted:
        return Unchanged(_untrusted(environment, recipe, pull.author, pull.author_trusted))
    if recipe.paths and request.matches_paths is None and not _exists(environment):
        reason = f"its eph.yaml filters by paths, and the files that {environment.title} changes are not known yet"
        return Unchanged(Wait(environment.ref, environment.key, reason))
    missing = _missing_checks(environment, recipe)
    if missing:
        return Unchanged(Wait(environment.ref, environment.key, missing, waiting_for=WaitingFor.CHECKS))
    whole = image_pinning.resolve(environment, recipe, context.policy, context.now)
    return Wanted(whole) if isinstance(whole, Recipe) else Unchanged(whole)


def _unreadable_recipe(environment: EnvironmentFacts, error: RecipeError) -> Wait | Refuse:
    commit = formatting.commit(environment.head)
    if error.transient:
        why = "; ".join(error.problems) or "the Git host did not respond"
        return Wait(environment.ref, environment.key, f"eph.yaml at commit {commit} could not be read: {why}")
    stays = "; the environment stays unchanged" if environment.record else ""
    return Refuse(environment.ref, environment.key, f"eph.yaml at commit {commit} is invalid{stays}", error.problems)


def _await_approval(environment: EnvironmentFacts, context: PlanContext) -> Wait | Refuse:
    """The label alone never lets a fork run: people who may label may still not be let push."""
    if not context.policy.allow_forks:
        return Refuse(
            environment.ref,
            environment.key,
            f"{environment.title} comes from a fork, and this server doesn't run forks",
        )
    reason = (
        f"{environment.title} comes from a fork; commit {formatting.commit(environment.head)} needs approval by "
        f"someone with write access: comment `/eph approve`, or run `eph approve {environment.title}`"
    )
    return Wait(environment.ref, environment.key, reason, waiting_for=WaitingFor.APPROVAL)


def _refuse_fork(environment: EnvironmentFacts, recipe: Recipe) -> Refuse:
    reason = (
        f"{environment.title} comes from a fork, and the target {recipe.spec.target} runs only commits that people "
        "with write access pushed, even if they are approved"
    )
    return Refuse(environment.ref, environment.key, reason)


def _untrusted(environment: EnvironmentFacts, recipe: Recipe, author: str, trusted: bool | None) -> Wait | Refuse:
    target = recipe.spec.target
    if trusted is None:
        reason = f"checking whether {author} has write access to the repository, which the target {target} requires"
        return Wait(environment.ref, environment.key, reason)
    reason = f"{author} has no write access to the repository, which the target {target} requires"
    return Refuse(environment.ref, environment.key, reason)


def _missing_checks(environment: EnvironmentFacts, recipe: Recipe) -> str:
    """The sentence for checks that are not green; empty when nothing is missing, or this commit is built already."""
    checks = environment.request.checks if environment.request else {}
    built = environment.record.built if environment.record else None
    if not recipe.wait_for_checks or (built is not None and built.commit == environment.head):
        return ""
    found = [pair for name in recipe.wait_for_checks for pair in _matching_checks(name, checks)]
    failed = [name for name, state in found if state is CheckState.FAILED]
    open_ = [name for name, state in found if state in (None, CheckState.PENDING)]
    parts = [f"{formatting.join_words(failed)} failed"] if failed else []
    parts += [f"{formatting.join_words(open_)} pending"] if open_ else []
    return f"waiting for checks on commit {formatting.commit(environment.head)}: {', '.join(parts)}" if parts else ""


def _matching_checks(pattern: str, checks: Mapping[str, CheckState]) -> list[tuple[str, CheckState | None]]:
    """A name, or a glob of names: then all of them, and while there is none the glob itself is missing."""
    if pattern in checks or not globs.has_wildcard(pattern):
        return [(pattern, checks.get(pattern))]
    return [(name, checks[name]) for name in sorted(checks) if globs.matches(pattern, name)] or [(pattern, None)]

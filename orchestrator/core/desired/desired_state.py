"""The desired state of one environment: wanted, unwanted, or unchanged because something isn't known.

Read ``determine`` from the top like a table: the first line that applies decides. ``Unwanted`` needs a statement by the
Git host or by a person; anything less results in ``Unchanged``. A failed read never means "gone".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from orchestrator.core import wording
from orchestrator.core.desired import expiry, image_pinning
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.joins import ExistingOnly, WantedAndExisting, WantedOnly
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import (
    CheckState,
    Confirmation,
    EnvironmentRequest,
    Existence,
    IntentKind,
    Recipe,
    RecipeError,
    RepositoryFacts,
    Trust,
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
from orchestrator.core.planning.reason_codes import HoldCode, RefusalCode, UnwantedCode
from orchestrator.core.sleep import sleep_rules
from orchestrator.core.util import globs


@dataclass(frozen=True, slots=True)
class PlanContext:
    """The input that all decisions of one plan share."""

    policy: Policy
    now: datetime
    stacks_complete: bool = True
    stacks_reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Unwanted:
    """``guarded``: the Git host didn't state it explicitly. ``report_always``: report it even if nothing exists."""

    reason: str
    code: UnwantedCode
    guarded: bool = False
    report_always: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Leave everything as it is; ``action`` says why, or does something other than a build."""

    action: Wait | Refuse | Hold | Confirm | Find | Expire | Unlabel | Revive


DesiredState = Wanted | Unwanted | Unchanged


def determine(environment: EnvironmentFacts, context: PlanContext) -> DesiredState:
    down, again = environment.latest_intent(IntentKind.DOWN), environment.latest_intent(IntentKind.RETRY)
    if down is not None and (again is None or again.at < down.at):  # an explicit request doesn't need the Git host
        return Unwanted(wording.desired.taken_down(down.by), UnwantedCode.TAKEN_DOWN, report_always=True)
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
    environment: EnvironmentFacts, repository: RepositoryFacts, request: EnvironmentRequest, context: PlanContext
) -> DesiredState:
    if request.expires_at is not None and (ended := _stated_expiry(environment, request, context)):
        return ended
    stated = _unwanted_by_host(environment, request, context)
    incomplete = not repository.is_complete_for(environment.key)
    if stated is not None and incomplete and _exists(environment):  # an incomplete read destroys nothing
        return Unchanged(_incomplete(environment, repository))
    if stated is not None:  # closed, unlabelled, expired, a draft: the Git host says so
        return _after_expiry(environment, request, stated, context) or stated
    over = _expiry(environment, context)
    if over is not None:  # expired: first the commit status, then the destroy
        return Unchanged(over)
    return _check_buildable(environment, request, context)


def _stated_expiry(environment: EnvironmentFacts, request: EnvironmentRequest, context: PlanContext) -> Unwanted | None:
    """The source itself stated the end, so nothing about the Git host can change it."""
    end = expiry.expires_at(environment, context.policy, context.now)
    if end is None or end > context.now:
        return None
    return Unwanted(wording.desired.deploy_expired(request.ref, end), UnwantedCode.EXPIRED, expired=True)


def _exists(environment: EnvironmentFacts) -> bool:
    return not isinstance(environment.join, WantedOnly)


def _not_served(environment: EnvironmentFacts) -> Hold:
    return Hold(
        environment.ref,
        wording.desired.not_configured(environment.title),
        HoldCode.REPOSITORY_NOT_CONFIGURED,
        f"eph down {environment.ref}",
    )


def _absent(environment: EnvironmentFacts, repository: RepositoryFacts) -> DesiredState:
    """A stack that nothing requests: its pull request, branch or tag isn't in the list, or explicitly asks for none."""
    key, complete = environment.key, repository.is_complete_for(environment.key)
    confirmed = repository.confirmed.get(key)
    if key in repository.unrequested:
        if complete:  # open, completely read, and without our label
            return Unwanted(repository.unrequested[key], UnwantedCode.NOT_REQUESTED)
        return Unchanged(_incomplete(environment, repository))
    if confirmed is not None and _counts_as_absent(confirmed, complete):  # stated for exactly this one
        gone = confirmed.existence is Existence.GONE
        return Unwanted(confirmed.reason, UnwantedCode.GONE if gone else UnwantedCode.CLOSED, guarded=gone)
    if not complete:  # absence from an incomplete list proves nothing
        return Unchanged(_incomplete(environment, repository))
    if confirmed is None:  # absent from a complete list: ask for exactly this one
        return Unchanged(_confirm(environment))
    reason = wording.desired.present_but_not_listed(key.kind, environment.title)
    return Unchanged(Hold(environment.ref, reason, HoldCode.NOT_LISTED))


def _counts_as_absent(confirmed: Confirmation, complete: bool) -> bool:
    return confirmed.existence is not Existence.PRESENT and (complete or not confirmed.needs_complete_list)


def _confirm(environment: EnvironmentFacts) -> Confirm:
    reason = wording.desired.not_listed(environment.key.kind, environment.title)
    return Confirm(environment.ref, environment.key, reason, environment.ref_name)


def _incomplete(environment: EnvironmentFacts, repository: RepositoryFacts) -> Hold:
    problem = repository.reason or repository.incomplete_kinds.get(environment.key.kind, "")
    reason = wording.desired.incomplete_repository(repository.full_name, problem)
    return Hold(environment.ref, reason, HoldCode.REPOSITORY_INCOMPLETE)


def _unwanted_by_host(
    environment: EnvironmentFacts, request: EnvironmentRequest, context: PlanContext
) -> Unwanted | None:
    """The Git host states explicitly that this request gets no environment."""
    # An invalid eph.yaml doesn't define labels, so it never destroys an existing environment.
    if request.withdrawn and (isinstance(request.recipe, Recipe) or not _exists(environment)):
        return Unwanted(request.withdrawn, UnwantedCode.WITHDRAWN)
    if expiry.is_marked_expired(environment, context.policy, context.now):
        unused = sleep_rules.parse_unused_reason(request.expiry_reason)
        code = UnwantedCode.UNUSED if unused else UnwantedCode.EXPIRED
        return Unwanted(
            unused or wording.desired.commit_expired(environment.head), code, report_always=True, expired=True
        )
    return Unwanted(request.excluded, UnwantedCode.EXCLUDED, report_always=True) if request.excluded else None


def _after_expiry(
    environment: EnvironmentFacts, request: EnvironmentRequest, unwanted: Unwanted, context: PlanContext
) -> Unchanged | None:
    """Once an expired environment is destroyed, remove its label. A label that returns was added by a person."""
    if not unwanted.expired or _exists(environment) or not context.stacks_complete:
        return None
    commit, labels = environment.head, tuple(sorted(request.trigger_labels))
    if request.label_removed and labels:
        reason = wording.desired.label_added_again(commit)
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
    reason = wording.desired.expired(end, expiry.ttl(environment, context.policy))
    return Expire(environment.ref, environment.key, environment.head, reason)


def _check_buildable(environment: EnvironmentFacts, request: EnvironmentRequest, context: PlanContext) -> DesiredState:
    """It is requested and not expired: may it be built, and is everything known that the build needs?"""
    recipe, from_fork = request.recipe, request.trust is Trust.FORK
    if from_fork and (not context.policy.allow_forks or not request.approval):  # no fork runs unapproved
        return Unchanged(_await_approval(environment, context))
    if isinstance(recipe, RecipeError):
        return Unchanged(_unreadable_recipe(environment, recipe))
    guarded = recipe.spec.target in context.policy.trusted_authors_only
    if guarded and from_fork and not context.policy.approval_is_trust:
        return Unchanged(_refuse_fork(environment, recipe))
    if guarded and not from_fork and request.trust is not Trust.TRUSTED:
        return Unchanged(_untrusted(environment, recipe, request))
    if request.undecided and not _exists(environment):
        return Unchanged(Wait(environment.ref, environment.key, request.undecided))
    missing = _missing_checks(environment, recipe)
    if missing:
        return Unchanged(Wait(environment.ref, environment.key, missing, waiting_for=WaitingFor.CHECKS))
    whole = image_pinning.resolve(environment, recipe, context.policy, context.now)
    if not isinstance(whole, Recipe):
        return Unchanged(whole)
    if not request.approval:
        return Wanted(whole)
    return Wanted(replace(whole, spec=replace(whole.spec, approved=True)))


def _unreadable_recipe(environment: EnvironmentFacts, error: RecipeError) -> Wait | Refuse:
    if error.transient:
        reason = wording.desired.unreadable_recipe(environment.head, error.problems)
        return Wait(environment.ref, environment.key, reason, waiting_for=WaitingFor.CONFIG)
    reason = wording.desired.invalid_recipe(environment.head, exists=environment.record is not None)
    return Refuse(environment.ref, environment.key, reason, RefusalCode.INVALID_CONFIG, error.problems)


def _await_approval(environment: EnvironmentFacts, context: PlanContext) -> Wait | Refuse:
    """A label alone never lets a fork run: people may be allowed to label, but not to push."""
    if not context.policy.allow_forks:
        reason = wording.desired.forks_disabled(environment.title)
        return Refuse(environment.ref, environment.key, reason, RefusalCode.FORKS_DISABLED)
    reason = wording.desired.needs_approval(environment.title, environment.head)
    return Wait(environment.ref, environment.key, reason, waiting_for=WaitingFor.APPROVAL)


def _refuse_fork(environment: EnvironmentFacts, recipe: Recipe) -> Refuse:
    reason = wording.desired.fork_untrusted(environment.title, recipe.spec.target)
    return Refuse(environment.ref, environment.key, reason, RefusalCode.FORK_UNTRUSTED)


def _untrusted(environment: EnvironmentFacts, recipe: Recipe, request: EnvironmentRequest) -> Wait | Refuse:
    target = recipe.spec.target
    author = request.author
    if request.trust is Trust.UNKNOWN:
        reason = wording.desired.checking_access(author, target)
        return Wait(environment.ref, environment.key, reason, waiting_for=WaitingFor.ACCESS)
    reason = wording.desired.author_untrusted(author, target)
    return Refuse(environment.ref, environment.key, reason, RefusalCode.AUTHOR_UNTRUSTED)


def _missing_checks(environment: EnvironmentFacts, recipe: Recipe) -> str:
    """Why it waits for checks; empty if all passed, or if this commit is already built."""
    checks = environment.request.checks if environment.request else {}
    built = environment.record.built if environment.record else None
    if not recipe.wait_for_checks or (built is not None and built.commit == environment.head):
        return ""
    found = [pair for name in recipe.wait_for_checks for pair in _matching_checks(name, checks)]
    failed = [name for name, state in found if state is CheckState.FAILED]
    open_ = [name for name, state in found if state in (None, CheckState.PENDING)]
    return wording.desired.waiting_for_checks(environment.head, failed, open_) if failed or open_ else ""


def _matching_checks(pattern: str, checks: Mapping[str, CheckState]) -> list[tuple[str, CheckState | None]]:
    """The checks that match a name or glob. A glob without a match counts as a missing check."""
    if pattern in checks or not globs.has_wildcard(pattern):
        return [(pattern, checks.get(pattern))]
    return [(name, checks[name]) for name in sorted(checks) if globs.matches(pattern, name)] or [(pattern, None)]

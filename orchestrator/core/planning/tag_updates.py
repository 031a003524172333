"""What a stack's tag should contain, and the actions that only write it: an expiry, or variables that people set."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from orchestrator.core import wording
from orchestrator.core.desired import expiry
from orchestrator.core.desired.desired_state import PlanContext
from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.world import IntentKind
from orchestrator.core.planning import backoff
from orchestrator.core.planning.plan_actions import Retag, Wait, WaitingFor
from orchestrator.core.sleep import sleep_rules
from programs.spec import EnvironmentSpec
from stacks import tags
from stacks.model import OperationVerb, RefKind, StackTag


def extend(environment: EnvironmentFacts, context: PlanContext) -> Retag | None:
    """Only update the expiry in the tag."""
    tag = environment.tag
    until, keep = expiry.extended_until(environment, context.policy), expiry.is_kept(environment)
    if tag is None or (until, keep) == (tag.extended_until, tag.keep) or _is_unrecorded_deploy(environment):
        return None
    return retag(environment, replace(tag, extended_until=until, keep=keep), context)


def set_variables(environment: EnvironmentFacts, context: PlanContext) -> Retag | Wait | None:
    """Record the variables that a person set. The next plan applies them."""
    asked, record = environment.latest_intent(IntentKind.VARIABLES), environment.record
    if asked is None or asked.variables is None or record is None or record.tag is None:
        return None
    if record.variables == asked.variables.sealed:
        return None
    tried = backoff.count_attempts(environment, OperationVerb.RETAG, "", context.now)
    pause = backoff.destroy_delay(tried, context.policy.backoff, environment.ref, context.now)
    if pause is not None:
        return Wait(
            environment.ref,
            environment.key,
            wording.operations.variables_wait(asked.by),
            None,
            pause.until,
            WaitingFor.BACKOFF,
        )
    return Retag(environment.ref, record.tag, wording.operations.variables_changed(asked.by), asked.variables.sealed)


def _is_unrecorded_deploy(environment: EnvironmentFacts) -> bool:
    """A label deploy whose commit isn't live yet: until then, its tag describes the one that is."""
    built = environment.record.built if environment.record else None
    return environment.key.kind is RefKind.DEPLOY and (built is None or built.commit != environment.head)


def retag(environment: EnvironmentFacts, tag: StackTag | None, context: PlanContext) -> Retag | None:
    if tag is None:
        return None
    tried = backoff.count_attempts(environment, OperationVerb.RETAG, "", context.now)
    if backoff.destroy_delay(tried, context.policy.backoff, environment.ref, context.now):
        return None
    old = environment.tag
    if old is not None and tag.keep != old.keep:
        return Retag(environment.ref, tag, wording.operations.kept(tag.keep))
    if old is not None and tag.extended_until != old.extended_until and tag.extended_until is not None:
        return Retag(environment.ref, tag, wording.operations.extended(tag.extended_until))
    return Retag(environment.ref, tag, wording.operations.tag_updated(tag.commit, environment.title))


def desired_tag(environment: EnvironmentFacts, spec: EnvironmentSpec, context: PlanContext) -> StackTag:
    old, key = environment.tag, environment.key
    repository_name = environment.repository.full_name if environment.repository else ""
    until = expiry.extended_until(environment, context.policy)
    seen, keep = expiry.commit_seen_at(environment, context.now), expiry.is_kept(environment)
    if old is None:
        made = StackTag(key, repository_name, spec.name, "", environment.head, seen, until, keep=keep)
        asleep = in_milliseconds(context.now) if sleep_rules.starts_on_request(environment, context.policy) else None
        return replace(
            made, ref_name=environment.ref_name, target=spec.target, by=_deployed_by(environment), asleep=asleep
        )
    wanted = replace(
        old,
        repository_name=old.repository_name if key.kind is RefKind.DEPLOY else repository_name,
        commit=environment.head,
        extended_until=until,
        keep=keep,
        target=spec.target,
        by=_deployed_by(environment),
    )
    return old if wanted == old or _is_stored_as(wanted, old) else replace(wanted, seen=seen)


def _is_stored_as(tag: StackTag, stored: StackTag) -> bool:
    """Whether a store that keeps ``tag`` reads ``stored``: a long repository name is shortened to fit."""
    return tag.repository_name.endswith(stored.repository_name) and tags.decode(tags.encode(tag)) == stored


def _deployed_by(environment: EnvironmentFacts) -> str:
    is_deploy = environment.key.kind is RefKind.DEPLOY and environment.request is not None
    return environment.request.author if is_deploy and environment.request else ""


def in_milliseconds(moment: datetime) -> datetime:
    """As in the tag."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

"""When an environment expires: its TTL counts from when its newest commit was first seen, or the last extension.

Commit dates aren't used because they can be forged. Neither is the time of the pull request's last change, which our
own comment updates.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.core.model.environment_facts import EnvironmentFacts
from orchestrator.core.model.policy import Policy
from orchestrator.core.model.world import IntentKind, Recipe
from stacks.model import RefKind


def ttl(environment: EnvironmentFacts, policy: Policy) -> timedelta:
    recipe = environment.request.recipe if environment.request else None
    asked = recipe.ttl if isinstance(recipe, Recipe) else None
    return min(asked or policy.ttl_default, policy.ttl_max)


def commit_seen_at(environment: EnvironmentFacts, now: datetime) -> datetime:
    """When the head commit was first seen: from the tag, which survives restarts, or from memory after a push."""
    tag = environment.tag
    if tag is not None and tag.commit == environment.head:
        return tag.seen
    return environment.first_seen_at or now


def extended_until(environment: EnvironmentFacts, policy: Policy) -> datetime | None:
    """The latest extension in the tag or requested now, limited by the server's maximum TTL."""
    recorded = environment.tag.extended_until if environment.tag else None
    stated = environment.request.expires_at if environment.request else None
    ends = [stated or recorded]
    if not environment.intents:
        return ends[0]
    for intent in environment.intents:
        if intent.kind == IntentKind.EXTEND:
            most = intent.at + policy.ttl_max
            ends.append(min(intent.until, most) if intent.until else intent.at + ttl(environment, policy))
    revived = revived_until(environment, policy)
    return max((end for end in (*ends, revived) if end), default=None)


def revived_until(environment: EnvironmentFacts, policy: Policy) -> datetime | None:
    """A retry of an expired environment gives it another TTL."""
    asked = environment.latest_intent(IntentKind.RETRY)
    if asked is None or environment.request is None or not environment.request.expired:
        return None
    return asked.at + ttl(environment, policy)


def is_kept(environment: EnvironmentFacts) -> bool:
    """Whether expiry is off: the newest request counts, otherwise the tag."""
    keep, unkeep = environment.latest_intent(IntentKind.KEEP), environment.latest_intent(IntentKind.UNKEEP)
    if keep is None and unkeep is None:
        return environment.tag is not None and environment.tag.keep
    return keep is not None and (unkeep is None or unkeep.at < keep.at)


def expires_at(environment: EnvironmentFacts, policy: Policy, now: datetime) -> datetime | None:
    """When it expires; None if nothing exists, or if expiry is off."""
    if environment.request is not None and environment.request.expires_at is not None:
        return extended_until(environment, policy)
    if environment.tag is None or is_kept(environment):
        return None
    end = commit_seen_at(environment, now) + ttl(environment, policy)
    extended = extended_until(environment, policy)
    return max(end, extended) if extended else end


def served_until(environment: EnvironmentFacts, policy: Policy) -> datetime | None:
    """The end of what is live of a label deploy; None for everything else, which is served until it is destroyed.

    While another commit is being deployed under the same label, the tag still describes the one that is live.
    """
    if environment.key.kind is not RefKind.DEPLOY:
        return None
    built = environment.record.built if environment.record else None
    if environment.request is not None and (built is None or built.commit == environment.head):
        return extended_until(environment, policy)
    return environment.tag.extended_until if environment.tag else None


def expires_soon(environment: EnvironmentFacts, policy: Policy, now: datetime) -> bool:
    """Whether to warn: for a fixed time before the end, but at most for a quarter of the TTL."""
    end = expires_at(environment, policy, now)
    warning = min(policy.expiry_warning, ttl(environment, policy) / 4)
    return end is not None and end - warning <= now


def is_marked_expired(environment: EnvironmentFacts, policy: Policy, now: datetime) -> bool:
    """Whether a commit status says that this commit expired, and no extension was requested since."""
    if environment.request is None or not environment.request.expired:
        return False
    if environment.tag is not None and is_kept(environment):
        return False
    extended = extended_until(environment, policy)
    return extended is None or extended <= now

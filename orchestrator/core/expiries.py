"""How long an environment may live: from the first sight of its newest commit, or until the last extension.

Never from commit dates, which can be forged, nor from the pull request's last change, which our own comment moves.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.core.model import Recipe
from orchestrator.core.policy import Policy
from orchestrator.core.subjects import Subject


def ttl(subject: Subject, policy: Policy) -> timedelta:
    recipe = subject.candidate.recipe if subject.candidate else None
    asked = recipe.ttl if isinstance(recipe, Recipe) else None
    return min(asked or policy.ttl_default, policy.ttl_most)


def newest_seen(subject: Subject, now: datetime) -> datetime:
    """When the head commit was first seen: the tag knows it over restarts, the memory knows it for a new push."""
    tag = subject.tag
    if tag is not None and tag.commit == subject.head:
        return tag.seen
    return subject.seen or now


def extended_until(subject: Subject, policy: Policy) -> datetime | None:
    """The latest of what the tag says and what people ask for now, which the server's longest time bounds."""
    if not subject.intents:
        return subject.tag.extended_until if subject.tag else None
    ends = [subject.tag.extended_until] if subject.tag else []
    for intent in subject.intents:
        if intent.kind == "extend":
            most = intent.at + policy.ttl_most
            ends.append(min(intent.until, most) if intent.until else intent.at + ttl(subject, policy))
    revived = revival(subject, policy)
    return max((end for end in (*ends, revived) if end), default=None)


def revival(subject: Subject, policy: Policy) -> datetime | None:
    """Asking to try again what had expired gives it one more life of the usual length."""
    asked = subject.asked("retry")
    if asked is None or subject.candidate is None or not subject.candidate.expired:
        return None
    return asked.at + ttl(subject, policy)


def kept(subject: Subject) -> bool:
    """Nobody's clock runs: what people asked for last counts, else what the tag says."""
    keep, unkeep = subject.asked("keep"), subject.asked("unkeep")
    if keep is None and unkeep is None:
        return subject.tag is not None and subject.tag.keep
    return keep is not None and (unkeep is None or unkeep.at < keep.at)


def expires_at(subject: Subject, policy: Policy, now: datetime) -> datetime | None:
    """None: there is nothing to expire, or it is kept."""
    if subject.tag is None or kept(subject):
        return None
    end = newest_seen(subject, now) + ttl(subject, policy)
    extended = extended_until(subject, policy)
    return max(end, extended) if extended else end


def is_soon(subject: Subject, policy: Policy, now: datetime) -> bool:
    """Whether to warn: a fixed while before the end, but never for most of a short life."""
    end = expires_at(subject, policy, now)
    warning = min(policy.expiry_warning, ttl(subject, policy) / 4)
    return end is not None and end - warning <= now


def is_marked(subject: Subject, policy: Policy, now: datetime) -> bool:
    """The Git host holds our mark that this commit's time ran out, and nobody has asked for more since."""
    if subject.candidate is None or not subject.candidate.expired:
        return False
    if subject.tag is not None and kept(subject):
        return False
    extended = extended_until(subject, policy)
    return extended is None or extended <= now

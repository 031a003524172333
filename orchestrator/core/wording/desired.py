"""Why an environment should exist, or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from orchestrator.core.util import formatting
from stacks.model import RefKind


def taken_down(person: str) -> str:
    return f"{person} took it down"


def not_configured(title: str) -> str:
    return (
        f"this server isn't configured for the repository of {title}, "
        "so it can't tell whether the environment is still needed"
    )


def no_trigger_label(title: str, labels: Iterable[str] | None = None) -> str:
    if labels is None:
        return f"{title} has no trigger label"
    return f"{title} has no trigger label ({formatting.join_words(labels) or 'eph.yaml defines none'})"


def in_state(title: str, state: str) -> str:
    return f"{title} is {state}"


def pull_not_found(title: str) -> str:
    return f"{title} doesn't exist on the Git host"


def not_listed(kind: RefKind, title: str) -> str:
    if kind is RefKind.PULL:
        return f"{title} isn't among the open pull requests"
    return f"the {kind} {title} doesn't match any trigger in eph.yaml"


def present_but_not_listed(kind: RefKind, title: str) -> str:
    is_there = "is open" if kind is RefKind.PULL else "exists"
    return f"{title} {is_there} but wasn't in the list; checking again in the next cycle"


def deployed_by(title: str, commit: str, person: str) -> str:
    return f"{person} deployed commit {formatting.commit(commit)} as {title}"


def deploy_expired(label: str, at: datetime) -> str:
    return f"the deploy {label} expired at {formatting.format_time(at)}"


def deploy_failed(label: str, commit: str) -> str:
    return f"deploying commit {formatting.commit(commit)} as {label} failed"


def deploy_not_recorded(title: str) -> str:
    return f"{title} was interrupted before it was recorded"


def made_room(label: str, for_label: str) -> str:
    return f"the deploy {label} was the closest to expiry and was destroyed to make room for {for_label}"


def waiting_for_room(label: str) -> str:
    return f"waiting until the deploy {label} is destroyed, to stay within the limit"


def ref_not_found(kind: str, name: str) -> str:
    return f"the {kind} {name} doesn't exist on the Git host"


def ref_no_longer_matched(kind: str, name: str) -> str:
    return f"no trigger in the default branch's eph.yaml matches the {kind} {name}"


def incomplete_repository(name: str, problem: str) -> str:
    detail = problem or "the Git host's response was incomplete"
    return f"{name} couldn't be read completely ({detail}), so none of its environments is destroyed"


def commit_expired(sha: str) -> str:
    return f"commit {formatting.commit(sha)} expired"


def draft(title: str) -> str:
    return f"{title} is a draft, and its eph.yaml excludes drafts"


def no_matching_paths(title: str, paths: Iterable[str]) -> str:
    return f"{title} changes no file that matches the paths in its eph.yaml ({formatting.join_words(paths)})"


def label_added_again(sha: str) -> str:
    return f"its trigger label was added again after commit {formatting.commit(sha)} expired"


def expired(at: datetime, ttl: timedelta) -> str:
    return (
        f"expired at {formatting.timestamp(at)} "
        f"({formatting.duration(ttl)} after the newest commit or the last extension)"
    )


def unknown_paths(title: str) -> str:
    return f"its eph.yaml filters by paths, and the files that {title} changes aren't known yet"


def unreadable_recipe(sha: str, problems: Iterable[str]) -> str:
    detail = "; ".join(problems) or "the Git host didn't respond"
    return f"eph.yaml at commit {formatting.commit(sha)} couldn't be read: {detail}"


def invalid_recipe(sha: str, exists: bool) -> str:
    stays = "; the environment stays unchanged" if exists else ""
    return f"eph.yaml at commit {formatting.commit(sha)} is invalid{stays}"


def forks_disabled(title: str) -> str:
    return f"{title} comes from a fork, and this server doesn't run forks"


def needs_approval(title: str, sha: str) -> str:
    return (
        f"{title} comes from a fork; commit {formatting.commit(sha)} needs approval from "
        f"someone with write access: comment `/eph approve`, or run `eph approve {title}`"
    )


def fork_untrusted(title: str, target: str) -> str:
    return (
        f"{title} comes from a fork, and the target {target} runs only commits pushed by "
        "people with write access, even if a commit is approved"
    )


def checking_access(author: str, target: str) -> str:
    return f"checking whether {author} has write access to the repository, which the target {target} requires"


def author_untrusted(author: str, target: str) -> str:
    return f"{author} has no write access to the repository, which the target {target} requires"


def waiting_for_checks(sha: str, failed: Sequence[str], pending: Sequence[str]) -> str:
    parts = [f"{formatting.join_words(failed)} failed"] if failed else []
    parts += [f"{formatting.join_words(pending)} pending"] if pending else []
    return f"waiting for checks on commit {formatting.commit(sha)}: {', '.join(parts)}"


# --- The labels of deploys


def label_without_letter(label: str) -> str:
    return f"The label {label[:60]!r} has no letter or digit. Use a value such as feat-x."


def label_too_long(label: str, limit: int) -> str:
    return f"The label {label[:60]} has {len(label)} characters. Use at most {limit}."


def label_reserved(label: str) -> str:
    return f"The label {label} is reserved. Use another one, such as {label}-test."


def label_of_active_version(label: str) -> str:
    return f"{label} is the branch of the active version. Use another label."

"""Every reason that the core gives: why an environment is created, waits, is refused, kept, repaired or destroyed.

These sentences appear in `eph why`, in comments, checks and the dashboard. Code and tests never read them: actions
carry their meaning as types and codes (``WaitingFor``, ``Phase``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from orchestrator.core.util import formatting
from stacks.model import RefKind

UNKNOWN_REASON = "unknown reason"

# --- What should exist


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
    return f"the deploy {label} was the nearest to expiry and made room for {for_label}"


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
        f"{title} comes from a fork; commit {formatting.commit(sha)} needs approval by "
        f"someone with write access: comment `/eph approve`, or run `eph approve {title}`"
    )


def fork_untrusted(title: str, target: str) -> str:
    return (
        f"{title} comes from a fork, and the target {target} runs only commits that people "
        "with write access pushed, even if they are approved"
    )


def checking_access(author: str, target: str) -> str:
    return f"checking whether {author} has write access to the repository, which the target {target} requires"


def author_untrusted(author: str, target: str) -> str:
    return f"{author} has no write access to the repository, which the target {target} requires"


def waiting_for_checks(sha: str, failed: Sequence[str], pending: Sequence[str]) -> str:
    parts = [f"{formatting.join_words(failed)} failed"] if failed else []
    parts += [f"{formatting.join_words(pending)} pending"] if pending else []
    return f"waiting for checks on commit {formatting.commit(sha)}: {', '.join(parts)}"


# --- Images


def looking_for_images(sha: str, repositories: Iterable[str]) -> str:
    return f"looking for the images of commit {formatting.commit(sha)}: {formatting.join_words(repositories)}"


def fallback_replaced(images: Iterable[str], sha: str) -> str:
    return f"found the image {formatting.join_words(images)} of commit {formatting.commit(sha)}, which runs a fallback"


def registry_unavailable(images: Iterable[str], sha: str, detail: str) -> str:
    names = formatting.join_words(images)
    return f"waiting for image {names} of commit {formatting.commit(sha)}; the registry is unavailable. {detail}"


def waiting_for_images(images: Iterable[str], sha: str, since: datetime, until: datetime, detail: str) -> str:
    return (
        f"waiting for image {formatting.join_words(images)} of commit {formatting.commit(sha)} "
        f"since {formatting.timestamp(since)}, at most until {formatting.timestamp(until)}. {detail}"
    )


def image_not_found(image: str, sha: str, waited: timedelta | None, detail: str) -> str:
    within = f" within {formatting.duration(waited)}" if waited is not None else ""
    return (
        f"image {image} for commit {formatting.commit(sha)} not found{within}. {detail}. "
        "After pushing the image, retry with `/eph retry`"
    )


def image_problems(repository: str, messages: Iterable[str]) -> str:
    return f"{repository}: {'; '.join(messages) or 'no details'}"


# --- Operations


def operation(verb: str, sha: str) -> str:
    return f"{verb} of {formatting.commit(sha)}" if sha else verb


def waiting_for_replica(operation: str) -> str:
    return f"waiting for the {operation} that another replica started"


def canceling(operation: str) -> str:
    return f"canceling the {operation}"


def is_running(operation: str) -> str:
    return f"{operation} is running"


NEEDED_AGAIN = "needed again; waiting for the running destroy to finish"


def newer_commit(sha: str, running: str) -> str:
    return f"commit {formatting.commit(sha)} is newer than {formatting.commit(running)}"


def superseded_too_often(reason: str, count: int) -> str:
    times = formatting.count(count, "time")
    return f"{reason}, but the update was already superseded {times} in a row and now runs to completion"


def waiting_for_pushes(reason: str) -> str:
    return f"{reason}; waiting for further pushes"


def second_stack(title: str, first: object) -> str:
    return f"a second stack for {title}; {first} already exists"


def unreadable_state(problem: str) -> str:
    return f"its state couldn't be read: {problem}"


def foreign_tag(other: str, title: str) -> str:
    return f"its tag says it belongs to {other}, but its name says {title}"


def locked(owner: str) -> str:
    return f"locked by {owner}, which may still be running"


def lock_owner(pid: int, user: str, host: str, since: datetime) -> str:
    return f"process {pid} of {user} on {host} since {formatting.timestamp(since)}"


def unknown_lock_owner(lock: str) -> str:
    return f"an unknown owner (the lock {lock} can't be read)"


def nothing_to_destroy(reason: str) -> str:
    return f"{reason}; nothing to destroy"


def stacks_unreadable(problem: str) -> str:
    return f"not all stacks could be read ({problem or UNKNOWN_REASON})"


def destroy_held(reason: str, problem: str) -> str:
    return f"{reason}, but {stacks_unreadable(problem)}"


def may_exist(problem: str) -> str:
    return f"{stacks_unreadable(problem)}, so it may exist already"


def create_for_label(title: str, labels: Iterable[str]) -> str:
    return f"{title} has the label {formatting.join_words(labels)} but no environment yet"


def create_for_ref(title: str, kind: str) -> str:
    return f"{title} is a {kind} that eph.yaml selects but has no environment yet"


def in_sync(sha: str) -> str:
    return f"the newest commit {formatting.commit(sha)} is deployed"


def asleep(since: datetime, sha: str) -> str:
    return f"asleep since {formatting.timestamp(since)} at the newest commit {formatting.commit(sha)}; a visit wakes it"


# --- Retries


RETRY_BY_PUSH = "push a new commit or run `eph up` to retry"
RETRY_WAKE_BY_PUSH = "push a new commit or run `eph wake` to retry"


def attempts(what: str, failed: int) -> str:
    return f"{what} failed {formatting.count(failed, 'time')}" if failed else f"{what} was interrupted"


def build_of(sha: str) -> str:
    return f"the build of {formatting.commit(sha)}"


def sleep_or_wake(asleep: bool) -> str:
    return "sleep" if asleep else "wake-up"


def retry_later(reason: str, attempts: str, until: datetime | None, otherwise: str) -> str:
    next_attempt = f"next attempt at {formatting.timestamp(until)}" if until else otherwise
    return f"{reason}; {attempts}; {next_attempt}"


def repairs_failed(reason: str, until: datetime) -> str:
    return f"{reason}; earlier repairs didn't help, next repair at {formatting.timestamp(until)}"


# --- Updates and repairs


def half_done(count: int) -> str:
    return f"an interrupted attempt left {formatting.count(count, 'resource')} half-done"


DEAD_LOCK = "the last attempt died and left a lock behind; its owner is proven dead"
SPEC_CHANGED = "eph.yaml or the server's settings changed since the last build"
NOT_FINISHED = "its creation wasn't finished"


def newer_than_live(sha: str, live: str) -> str:
    return f"commit {formatting.commit(sha)} is newer than the live commit {formatting.commit(live)}"


def target_upgraded(target: str, version: str) -> str:
    return f"the target {target} was upgraded to {version}"


def last_attempt_failed(problem: str) -> str:
    return f"the last attempt failed: {problem.removesuffix('.') or UNKNOWN_REASON}"


def url_unresponsive(silence: timedelta, detail: str) -> str:
    return f"its URL hasn't responded for {formatting.duration(silence)}{_detail(detail)}"


def url_repaired(detail: str) -> str:
    return f"its URL didn't respond{_detail(detail)}; all resources were checked, and missing ones were recreated"


def _detail(detail: str) -> str:
    return f": {detail}" if detail else ""


# --- Tags


def kept(keep: bool) -> str:
    return "kept: it doesn't expire" if keep else "expiry is on again"


def extended(until: datetime) -> str:
    return f"extended until {formatting.timestamp(until)}"


def tag_updated(sha: str, title: str) -> str:
    return f"updating its tag to commit {formatting.commit(sha)} of {title}"


# --- Limits


def server_full(count: int, limit: int) -> str:
    return f"the server has {count} environments; the limit is {limit}"


def repository_full(count: int, limit: int) -> str:
    return f"the repository has {count} environments; the limit is {limit}"


LOW_MEMORY = "memory is low: "


def operation_limit(limit_reason: str, number: int) -> str:
    return f"{limit_reason}at most {formatting.count(number, 'operation')} at a time"


def queued(reason: str, limit: str, position: int) -> str:
    return f"{reason}; {limit}; position {position} in the queue"


def sleep_queued(reason: str, limit: int) -> str:
    return f"{reason}; at most {limit} environments go to sleep or wake up at a time"


def destroy_queued(reason: str, limit: int) -> str:
    return f"{reason}; waiting for one of {formatting.count(limit, 'running operation')} to finish"


def memory_limit(available: int, per_operation: int, limit: int) -> str:
    free, each = (round(number / 1_000_000) for number in (available, per_operation))
    return f"{free} MB of memory are free and an operation needs {each} MB, so at most {limit} run at a time"


# --- Guards


def too_many_destroys(count: int, recent: int, window: str, limit: int) -> str:
    return (
        f"{formatting.count(count, 'environment')} would be destroyed although the Git host doesn't report "
        f"them closed, after {recent} within {window}; the limit is {limit}"
    )


def destroy_needs_approval(reason: str, note: str) -> str:
    return f"{reason}; {note}"


def how_to_approve(note: str, command: str) -> str:
    return f"{note}; to allow it, run `eph approve {command}`"


# --- Notes of a plan


NOTHING_TO_DO = "nothing to do"


def note_stacks(problem: str) -> str:
    return f"not all stacks could be read: {problem or UNKNOWN_REASON}"


def note_repository(name: str, problem: str) -> str:
    return f"{name} couldn't be read completely: {problem or UNKNOWN_REASON}"


def note_kinds(name: str, kinds: Iterable[RefKind], problem: str) -> str:
    what = formatting.join_words(_PLURALS[kind] for kind in kinds)
    return f"{what} of {name} couldn't be read completely: {problem or UNKNOWN_REASON}"


_PLURALS = {
    RefKind.PULL: "pull requests",
    RefKind.BRANCH: "branches",
    RefKind.TAG: "tags",
    RefKind.DEPLOY: "label deploys",
}


# --- Sleep


SLEEP_INTERRUPTED = "going to sleep or waking up was interrupted"


def woken_by(person: str) -> str:
    return f"{person} woke it"


def put_to_sleep_by(person: str) -> str:
    return f"{person} put it to sleep"


def kept_awake_by(person: str) -> str:
    return f"{person} kept it awake"


def visited(at: datetime) -> str:
    return f"visited at {formatting.timestamp(at)}"


def hours_began(schedule: object, at: datetime) -> str:
    return f"its scheduled hours ({schedule}) began at {formatting.timestamp(at)}"


def outside_hours(schedule: object) -> str:
    return f"outside its scheduled hours ({schedule})"


def idle(since: datetime, timeout: timedelta) -> str:
    return f"no visit since {formatting.timestamp(since)} (idle timeout: {formatting.duration(timeout)})"


def idle_rule(timeout: timedelta, destroys: bool) -> str:
    return f"{'destroyed' if destroys else 'sleeps'} after {formatting.duration(timeout)} without a visit"


def schedule_rule(schedule: object) -> str:
    return f"sleeps outside of {schedule}"


# --- Drift


def repaired(at: datetime, sentence: str) -> str:
    return f"repaired at {formatting.timestamp(at)}: {sentence}"


# --- Orphans


def orphaned_environment(name: str) -> str:
    return f"no stack or pull request exists for {name}"


def leftover(target: str, name: str) -> str:
    return f"the target {target} still has {name}, but no stack or pull request exists for it"


def unsupervised(ref: object) -> str:
    return f"no live process supervises it, and no operation on {ref} is running"


def not_in_stack(count: int, ref: object) -> str:
    return f"it isn't among the {formatting.count(count, 'resource')} of stack {ref}"


# --- Facts, for `eph why`


def first_seen(sha: str, at: datetime) -> str:
    return f"commit {formatting.commit(sha)} was first seen at {formatting.timestamp(at)}"


def running_since(verb: str, sha: str, since: datetime) -> str:
    return f"{operation(verb, sha)} has been running since {formatting.timestamp(since)}"


def requested(person: str, kind: str, at: datetime) -> str:
    return f"{person} requested {kind} at {formatting.timestamp(at)}"


def expires(at: datetime, remaining: timedelta) -> str:
    return f"expires at {formatting.timestamp(at)}, in {formatting.duration(remaining)}"


def last_visit(at: datetime) -> str:
    return f"last visited at {formatting.timestamp(at)}"


def awake_until(at: datetime) -> str:
    return f"woken up: it stays awake until at least {formatting.timestamp(at)}"


def sleeps_at(at: datetime, remaining: timedelta) -> str:
    return f"goes to sleep at {formatting.timestamp(at)}, in {formatting.duration(remaining)}, unless it is visited"


def selected_ref(title: str, kind: str) -> str:
    return f"{title} is a {kind} that the default branch's eph.yaml selects"


def pull_state(title: str, state: str, is_draft: bool, labels: Iterable[str]) -> str:
    found = formatting.join_words(labels)
    has = f"has the label {found}" if found else "has no trigger label"
    return f"{title} is {state}{' as a draft' if is_draft else ''} and {has}"


def image_pinned(name: str, reference: str, how: str) -> str:
    return f"image {name} is {reference}" + (f", found by {how}" if how else "")


def image_missing(name: str, detail: str) -> str:
    return f"image {name} is missing: {detail}"


def unreadable_stack(ref: object) -> str:
    return f"stack {ref} exists but can't be read"


def unbuilt_stack(ref: object) -> str:
    return f"stack {ref} exists; no successful build yet"


def built_stack(ref: object, sha: str, at: datetime) -> str:
    return f"stack {ref} runs commit {formatting.commit(sha)}, built at {formatting.timestamp(at)}"


def health(ok: bool, since: datetime, sha: str, detail: str) -> str:
    responds = "has been responding" if ok else "hasn't responded"
    more = f" ({detail})" if detail else ""
    return f"its URL {responds} since {formatting.timestamp(since)} with commit {formatting.commit(sha)}{more}"


def last_operation(operation: str, outcome: str, at: datetime, problem: str) -> str:
    return f"the last {operation} {outcome} at {formatting.timestamp(at)}{_detail(problem)}"


OUTPUT_LOST = "the last attempt failed; its output was lost in a restart"

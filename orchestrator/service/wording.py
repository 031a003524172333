"""The sentences of this room that people read: refusals, notes, audit results and event messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.core.util.formatting import commit, format_time


def failure(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"


# --- Refusals


def not_found(name: str) -> str:
    return f"Environment {name!r} not found"


def unknown_suite(name: str, suite: str, known: Iterable[str]) -> str:
    listed = ", ".join(known)
    suites = f"Suites: {listed}." if listed else "It has no suites, or it isn't ready yet."
    return f"{name} has no suite {suite!r}. {suites}"


def being_destroyed(name: str, action: str) -> str:
    return f"{name} is being destroyed, so it can't {action}"


def extension_not_positive(seconds: int) -> str:
    return f"An extension of {seconds} s isn't possible. Use more than 0 s."


def not_created(name: str, hint: str) -> str:
    return f"{name} doesn't exist yet; {hint}"


SLEEP_OR_WAKE = "sleep or wake"


def restricted(action: str) -> str:
    return f"a restricted caller can't {action}"


TIMER_STARTS_LATER = "the timer starts when its newest commit is first seen"
KEEP_LATER = "keep it once it has been created"
SLEEP_LATER = "it can sleep and wake once it has been created"


def sleep_unsupported(target: str) -> str:
    return f"The target {target} doesn't support sleep"


def label_not_removed(label: str, problem: BaseException) -> str:
    return f"The label {label} couldn't be removed: {problem}"


def ref_not_marked(name: str, problem: BaseException) -> str:
    return f"{name} couldn't be marked as destroyed: {problem}"


def not_a_fork(name: str) -> str:
    return f"{name} isn't an open pull request from a fork, and no plan of it needs approval"


def not_newest_commit(name: str, head: str, commit: str) -> str:
    return f"The newest commit of {name} is {head}, not {commit}. Review it, then approve that commit."


def name_the_commit(head: str) -> str:
    return f"Eph's comment didn't show commit {head[:7]} before yours. Review it, then comment /eph approve {head}"


def approval_not_written(head: str, problem: BaseException) -> str:
    return f"The approval couldn't be written to commit {head[:7]}: {problem}"


def plan_not_held(plan: str, held: str) -> str:
    return f"Plan {plan!r} isn't on hold" + (f". Plan on hold: {held}" if held else "")


def target_unreachable(target: str, problem: BaseException) -> str:
    return f"The target {target} couldn't be reached: {problem}"


# --- Commit statuses

DESTROYED_BY_PERSON = "Destroyed by a person."


def approved_by(person: str) -> str:
    return f"Approved by {person}"


# --- Status notes

FIRST_CYCLE = "the first cycle hasn't finished yet"


def foreign_stacks(count: int) -> str:
    return f"{count} stacks in the backend don't belong to Eph and are ignored"


def not_the_leader(leader: str) -> str:
    return f"this replica isn't the leader; the leader is {leader or 'unknown'}"


# --- Event messages and answers

REQUESTED_RETRY = "requested a retry"
REQUESTED_DESTROY = "requested its destruction"
REQUESTED_KEEP, REQUESTED_UNKEEP = "requested that it doesn't expire", "requested that it expires again"
REQUESTED_SLEEP, REQUESTED_WAKE = "requested sleep", "requested a wake-up"


def requested_extension(until: datetime) -> str:
    return f"requested an extension until {until:%Y-%m-%d %H:%M}"


def commit_approved(head: str, from_fork: bool) -> str:
    return f"commit {head}{' of a fork' if from_fork else ''} is approved"


def plan_approved(plan: str) -> str:
    return f"plan {plan} is approved"


def plan_runs(plan: str) -> str:
    return f"plan {plan} runs in the next cycle"


def requested_sweep(count: int) -> str:
    return f"requested a sweep: {count} found"


def command_result(command: str, where: str, result: str) -> str:
    return f"{command[:80]} on {where}: {result[:300]}"


NO_WRITE_ACCESS = "no write access"


def comments_failed(problem: BaseException) -> str:
    return f"comments couldn't be checked: {failure(problem)}"


def comments_unavailable(repository: str, problem: BaseException) -> str:
    return f"{repository}: comments couldn't be read or answered: {problem}"


def comments_broken(repository: str, problem: BaseException) -> str:
    return f"{repository}: processing comments failed: {failure(problem)}"


def reaction_failed(where: str, problem: BaseException) -> str:
    return f"{where}: a command couldn't be answered: {problem}"


def reports_failed(problem: BaseException) -> str:
    return f"pull requests couldn't be updated: {failure(problem)}"


# --- Final reports

NO_LONGER_REQUESTED = "No longer needed: the pull request was closed, or its label was removed."
EXPIRED = "The environment expired."


# --- Audit and sweep

ONLY_LEADER_AUDITS = "this replica isn't the leader, and only the leader knows which operations are running"
FIRST_READ = "the first read of the Git host is still running"


def target_not_checked(target: str, problem: BaseException) -> str:
    return f"the target {target} couldn't be checked: {failure(problem)}"


def folders_not_checked(problem: BaseException) -> str:
    return f"the server's own folders couldn't be checked: {problem}"


def orphan(location: str, kind: str, name: str) -> str:
    return f"{location}: {kind} {name}"


def would_remove(orphan: str, reason: str) -> str:
    return f"remove    {orphan}: {reason}"


def removed(orphan: str, reason: str) -> str:
    return f"removed {orphan}: {reason}"


def removed_next_cycle(orphan: str, reason: str) -> str:
    return f"the next cycle removes {orphan}: {reason}"


def removal_postponed(orphan: str, reason: str) -> str:
    return f"removal left to the next cycle: {orphan}: {reason}"


def removal_failed(orphan: str, problem: BaseException) -> str:
    return f"{orphan} couldn't be removed: {problem}"


# --- Webhooks


def webhook_received(event: str, note: str, delivery: str) -> str:
    return f"{event or 'no event'}: {note} (delivery {delivery or 'without an id'})"


def ping_arrived(public_url: str) -> str:
    hint = "" if public_url else "; set forge.webhook_url to test the public address"
    return f"The ping arrived and its signature is valid{hint}"


OTHER_SERVER = "Another server responded: the address leads to another Eph or to another replica"
WRONG_SECRET = "Invalid signature: the server at this address has another webhook secret"
NO_WEBHOOK = "no webhook found at the Git host; Eph still polls at every interval"


def url_unreachable(url: str, problem: BaseException) -> str:
    return f"{url} doesn't respond: {str(problem) or type(problem).__name__}"


def redirected(status: int, host: str) -> str:
    return f"The server responded with a redirect ({status}), which {host} doesn't follow; use its target"


def unexpected_status(status: int, path: str) -> str:
    return f"The server responded with {status}: a proxy in front of Eph may block POST {path}"


def other_webhook_urls(urls: Iterable[str]) -> str:
    return f"the Git host sends webhooks to {', '.join(urls)}, not to forge.webhook_url"


# --- Announcements in channels


ANNOUNCED_PAGE = "Logs and history"


def trace_lost(problem: str) -> str:
    return f"The collector didn't accept a trace ({problem}). It is lost."


def announced_ready(subject: str, commit_sha: str) -> str:
    """``subject`` may be a link."""
    return f"The preview of {subject} is ready with commit {commit(commit_sha)}."


def announced_failure(subject: str, commit_sha: str) -> str:
    return f"The preview of {subject} failed with commit {commit(commit_sha)}."


def announced_expiry(subject: str, at: datetime) -> str:
    return f"The preview of {subject} expires at {format_time(at)}."


def announced_hold(subject: str) -> str:
    return f"The preview of {subject} is on hold until someone approves."


def channel_failed(name: str, problem: str) -> str:
    return f"The channel {name} can't be reached ({problem}). An announcement is lost."


# --- costs


def prices_refreshed(targets: Iterable[str]) -> str:
    return f"downloaded prices of {', '.join(targets) or 'no target, because none publishes them'}"


def price_file_too_large(url: str) -> str:
    return f"{url} is larger than any price list that is known"


def announced_budget(subject: str) -> str:
    return f"The budget of {subject} needs attention."


# --- build caches


def no_build_cache(repository: str, known: Iterable[str]) -> str:
    names = ", ".join(known)
    return f"{repository} has no build cache. {f'There are caches of {names}.' if names else 'There are no caches.'}"


def cache_cleared(repository: str, target: str, size: int) -> str:
    return f"cleared the build cache of {repository} on target {target}, {size / 1_000_000:.0f} MB"


# --- the gateway's pages


def output_not_written(path: object, error: object) -> str:
    return f"{path} couldn't be written: {error}"

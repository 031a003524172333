"""Every sentence of this room that people read: chat replies, refusals, notes, audit results and event messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from orchestrator.core.model.label_deploys import LabelDeploy
from orchestrator.core.util.formatting import commit, duration, format_time


def failure(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"


# --- Label deploys


REF_OR_VERSION = (
    "Say what to deploy: a branch or tag (--ref), a version that was built (--version), or an upload of a working copy."
)
MAX_COMMAND = 200


def ran_command(command: str, in_terminal: bool) -> str:
    shown = command if len(command) <= MAX_COMMAND else f"{command[:MAX_COMMAND]}…"
    return f"ran a command{' in a terminal' if in_terminal else ''}: {shown}"


def nothing_to_run_in(name: str) -> str:
    return f"Nothing of {name} runs that a command could run in. Details: `eph why {name}`."


def exec_unsupported(target: str) -> str:
    return f"The target `{target}` can't run commands inside environments."


def jobs_unsupported(target: str) -> str:
    return f"The target `{target}` has no jobs to run."


def started_job(job: str) -> str:
    return f"ran {job[:MAX_COMMAND]}"


def too_many_commands(limit: int) -> str:
    return f"{limit} commands already run in environments on this server. Wait until one ends."


def no_exec_session(session: str) -> str:
    return f"No command of yours with the session {session[:40]!r} is running."


NO_UPLOADS = "This server doesn't accept working copies. Push a branch and deploy it with --ref."


def unknown_upload(sha: str) -> str:
    return f"You have no upload {sha[:40]!r} on this server, or it was removed since. Upload the working copy again."


def invalid_upload(problem: str) -> str:
    return f"The upload was refused: {problem}"


def upload_too_large(limit: int) -> str:
    return (
        f"The upload is larger than {limit // 1_000_000} MB, this server's limit (deploys.upload_mb). "
        "Exclude files with .ephignore, or push a branch and deploy it with --ref."
    )


def too_many_uploads(limit: int, kept: timedelta) -> str:
    return (
        f"{limit} uploads of yours aren't deployed yet. Deploy them, or wait: they are removed after {duration(kept)}."
    )


def deploy_requested(deploy: LabelDeploy) -> str:
    return (
        f"requested the deploy {deploy.label} of commit {commit(deploy.commit)} until {format_time(deploy.expires_at)}"
    )


def label_too_long(label: str, name: str) -> str:
    return f"The label {label} is too long for an environment named {name}. Use a shorter one."


def deploy_not_found(deploy: str) -> str:
    return (
        f"The server doesn't know the deploy {deploy[:80]!r}. It restarted since, or the deploy ended over an hour ago."
    )


def deploy_withdrawn(person: str) -> str:
    return f"{person} destroyed the deploy"


def deploy_not_kept(name: str) -> str:
    return f"{name} is a label deploy, which always expires. Extend it, or deploy it again with another TTL."


def extended_too_far(name: str, latest: datetime) -> str:
    return f"{name} is a label deploy. It can be extended until {format_time(latest)} at most."


def invalid_ttl(length: timedelta, most: timedelta) -> str:
    given = duration(length) if length > timedelta(0) else f"{length.total_seconds():.0f} s"
    return f"A TTL of {given} isn't possible. Use more than 0 s and at most {duration(most)}."


def unknown_app(name: str, known: list[str]) -> str:
    choice = ", ".join(known) or "none"
    return f"Unknown repository {name!r}. Known: {choice}." if name else f"Say which repository to deploy: {choice}."


def unknown_ref(repository: str, name: str) -> str:
    return (
        f"{repository} has no branch or tag {name[:80]!r}. A commit can be deployed with --version once it was built."
    )


def unknown_version(version: str, matches: int, known: list[str]) -> str:
    choice = ", ".join(known) or "none"
    problem = f"is the beginning of {matches} versions" if matches else "isn't a version that was built"
    return f"{version[:80]!r} {problem}. Built: {choice}."


def refs_unreadable(repository: str, reason: object) -> str:
    return f"The branches and tags of {repository} can't be read right now: {reason}"


def invalid_recipe(sha: str, problems: tuple[str, ...]) -> str:
    return f"Commit {commit(sha)} can't be deployed: {'; '.join(problems)}"


def host_reserved(host: str) -> str:
    return f"{host} already leads to an app or to Eph itself. Use another label."


def host_taken(host: str, owner: str) -> str:
    return f"{host} already leads to {owner}. Use another label."


def made_room(label: str) -> str:
    return f"it was the closest to expiry and was destroyed to make room for {label}"


# --- Chat replies


def no_environment(pull_request: str) -> str:
    return f"This {pull_request} has no environment. Comment /eph up to create one."


NO_TRIGGER_LABEL = "The repository's eph.yaml defines no trigger label."
RETRYING_NOW = "Retrying now."
COMMANDS = "Commands, one per line:"
OPERATION_LOG = "Log of the last operation:"


def invalid_command(reason: str) -> str:
    return f"{reason}. Commands:"


def retrying(name: str) -> str:
    return f"Retrying {name} now."


def destroying(name: str) -> str:
    return f"Destroying {name}. Comment /eph up to recreate it."


def kept(name: str, keep: bool) -> str:
    return f"{name} won't expire." if keep else f"{name} expires again."


def falling_asleep(name: str) -> str:
    return f"Putting {name} to sleep. The next visit or /eph wake wakes it."


def waking(name: str, asleep: bool) -> str:
    return f"{name} is waking up." if asleep else f"{name} is already awake and stays awake for a while."


def explanation(name: str, phase: str) -> str:
    return f"{name} is {phase}:"


def label_added(label: str) -> str:
    return f"Added the label {label}. The environment is created in the next cycle."


def extended(name: str, until: datetime | None) -> str:
    limit = f" until {format_time(until)} (or the latest time this server allows)" if until else ""
    return f"Expiry of {name} postponed{limit}."


def approve_newest(head: str, named: str) -> str:
    return f"The newest commit is {head[:7]}, not {named[:7]}. Review it, then approve that commit."


def approved(head: str) -> str:
    return f"Commit {head[:7]} is approved. Each push needs a new approval."


def latest_logs(name: str) -> str:
    return f"Latest log lines of {name}:"


def no_logs(name: str) -> str:
    return f"{name} has no log output yet."


# --- Refusals


def not_found(name: str) -> str:
    return f"Environment {name!r} not found"


def unknown_suite(name: str, suite: str, known: Iterable[str]) -> str:
    listed = ", ".join(known)
    suites = f"Suites: {listed}." if listed else "It has no suites, or it isn't ready yet."
    return f"{name} has no suite {suite!r}. {suites}"


def being_destroyed(name: str, action: str) -> str:
    return f"{name} is being destroyed, so it can't {action}"


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

"""Every kind of event, each with the sentence that docs/reference/events.md prints.

A kind is a dotted word: what it is about, then what happened to it. Use the constants. A test checks that this list and
the page agree; people filter and alert by the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class EventKind(StrEnum):
    SERVICE_STARTED = "service.started"
    SERVICE_STOPPED = "service.stopped"
    LEADER_CHANGED = "leader.changed"
    CYCLE_FAILED = "cycle.failed"
    CYCLE_RECOVERED = "cycle.recovered"
    PLAN_HELD = "plan.held"
    PLAN_APPROVED = "plan.approved"
    ENVIRONMENT_QUEUED = "environment.queued"
    ENVIRONMENT_WAITING = "environment.waiting"
    ENVIRONMENT_AWAITS_IMAGE = "environment.awaits_image"
    ENVIRONMENT_WITHOUT_IMAGE = "environment.without_image"
    ENVIRONMENT_REFUSED = "environment.refused"
    ENVIRONMENT_CREATING = "environment.creating"
    ENVIRONMENT_CREATED = "environment.created"
    ENVIRONMENT_UPDATING = "environment.updating"
    ENVIRONMENT_UPDATED = "environment.updated"
    ENVIRONMENT_FAILED = "environment.failed"
    ENVIRONMENT_STALLED = "environment.stalled"
    ENVIRONMENT_READY = "environment.ready"
    ENVIRONMENT_UNHEALTHY = "environment.unhealthy"
    ENVIRONMENT_HELD = "environment.held"
    ENVIRONMENT_DRIFTED = "environment.drifted"
    ENVIRONMENT_REPAIRED = "environment.repaired"
    ENVIRONMENT_SLEEPING = "environment.sleeping"
    ENVIRONMENT_SLEPT = "environment.slept"
    ENVIRONMENT_WAKING = "environment.waking"
    ENVIRONMENT_WOKEN = "environment.woken"
    ENVIRONMENT_RESTARTED = "environment.restarted"
    ENVIRONMENT_EXTENDED = "environment.extended"
    ENVIRONMENT_EXPIRED = "environment.expired"
    ENVIRONMENT_DESTROYING = "environment.destroying"
    ENVIRONMENT_DESTROYED = "environment.destroyed"
    TESTS_STARTED = "tests.started"
    TESTS_PASSED = "tests.passed"
    TESTS_FAILED = "tests.failed"
    TESTS_SKIPPED = "tests.skipped"
    TESTS_STOPPED = "tests.stopped"
    OPERATION_INTERRUPTED = "operation.interrupted"
    OPERATION_RECOVERED = "operation.recovered"
    LOCK_BROKEN = "lock.broken"
    FORGE_INCOMPLETE = "forge.incomplete"
    FORGE_RECOVERED = "forge.recovered"
    REPORT_FAILED = "report.failed"
    DEPLOY_REQUESTED = "deploy.requested"
    INTENT_UP = "intent.up"
    INTENT_DOWN = "intent.down"
    INTENT_RETRY = "intent.retry"
    INTENT_EXTEND = "intent.extend"
    INTENT_KEEP = "intent.keep"
    INTENT_UNKEEP = "intent.unkeep"
    INTENT_SLEEP = "intent.sleep"
    INTENT_WAKE = "intent.wake"
    VARIABLE_SET = "variable.set"
    VARIABLE_UNSET = "variable.unset"
    INTENT_RESET_DATABASE = "intent.reset_database"
    PROBLEM_REPORTED = "problem.reported"
    EXEC_STARTED = "exec.started"
    JOB_STARTED = "job.started"
    COMMIT_APPROVED = "commit.approved"
    COMMAND_OBEYED = "command.obeyed"
    COMMAND_REFUSED = "command.refused"
    SWEEP_REMOVED = "sweep.removed"
    PRICES_REFRESHED = "prices.refreshed"
    CACHE_CLEARED = "cache.cleared"
    SERVER_PAUSED = "server.paused"
    SERVER_RESUMED = "server.resumed"
    SIGN_IN_SUCCEEDED = "sign_in.succeeded"
    SIGN_IN_REFUSED = "sign_in.refused"
    TOKEN_CREATED = "token.created"  # noqa: S105 - a kind of event
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - a kind of event
    SHARE_CREATED = "share.created"
    SHARE_REVOKED = "share.revoked"
    SHARE_OPENED = "share.opened"
    SHARE_REFUSED = "share.refused"
    WEBHOOK_RECEIVED = "webhook.received"
    LEDGER_GAP = "ledger.gap"


KINDS: Mapping[EventKind, str] = {
    EventKind.SERVICE_STARTED: "ephd started; the message contains its version.",
    EventKind.SERVICE_STOPPED: "ephd stopped on request. A crash leaves no event.",
    EventKind.LEADER_CHANGED: "Another replica became the leader; the message contains its address and term.",
    EventKind.CYCLE_FAILED: "A cycle failed. Nothing is lost; the next cycle reads everything again.",
    EventKind.CYCLE_RECOVERED: "A cycle succeeded after one that failed.",
    EventKind.PLAN_HELD: (
        "A guard holds a plan, usually because it would destroy too much; the message says how to approve it."
    ),
    EventKind.PLAN_APPROVED: "A person approved a plan that was on hold.",
    EventKind.ENVIRONMENT_QUEUED: "A limit is reached; the environment waits in the queue.",
    EventKind.ENVIRONMENT_WAITING: "The environment waits for checks, further pushes or the next attempt.",
    EventKind.ENVIRONMENT_AWAITS_IMAGE: (
        "The environment waits for an image; the message says which one, and when Eph stops waiting."
    ),
    EventKind.ENVIRONMENT_WITHOUT_IMAGE: (
        "The image did not appear in time; a push or `/eph retry` starts a new lookup."
    ),
    EventKind.ENVIRONMENT_REFUSED: (
        "The environment is not created: an invalid eph.yaml, a fork, an untrusted author or a limit."
    ),
    EventKind.ENVIRONMENT_CREATING: "The first `up` of its stack started.",
    EventKind.ENVIRONMENT_CREATED: "The first `up` of its stack succeeded.",
    EventKind.ENVIRONMENT_UPDATING: "An `up` of an existing stack started: a new commit, a changed eph.yaml, or a "
    "retry.",
    EventKind.ENVIRONMENT_UPDATED: "An `up` of an existing stack succeeded.",
    EventKind.ENVIRONMENT_FAILED: "An `up`, a destroy or a wake-up failed; the message says at which step and why.",
    EventKind.ENVIRONMENT_STALLED: "All attempts failed; a new commit or a person starts a new one.",
    EventKind.ENVIRONMENT_READY: "Its URL passed the health check.",
    EventKind.ENVIRONMENT_UNHEALTHY: "It was ready, but its URL no longer responds.",
    EventKind.ENVIRONMENT_HELD: (
        "Eph leaves it unchanged because not enough is known; the message contains the command to continue."
    ),
    EventKind.ENVIRONMENT_DRIFTED: (
        "Resources were lost or changed outside of Eph, or its URL stopped responding; a repair starts."
    ),
    EventKind.ENVIRONMENT_REPAIRED: "The repair succeeded; the message says what was repaired.",
    EventKind.ENVIRONMENT_SLEEPING: "Its processes are being stopped; the message says why.",
    EventKind.ENVIRONMENT_SLEPT: "It is asleep: nothing runs, and all data is kept.",
    EventKind.ENVIRONMENT_WAKING: "Its processes are being started again; the message says why.",
    EventKind.ENVIRONMENT_WOKEN: "It is awake, and its services respond.",
    EventKind.ENVIRONMENT_RESTARTED: "A person restarted its services; the message says which ones.",
    EventKind.ENVIRONMENT_EXTENDED: "Its expiry was postponed; the message says until when.",
    EventKind.ENVIRONMENT_EXPIRED: "The environment expired.",
    EventKind.ENVIRONMENT_DESTROYING: "Its destroy started; the message says why.",
    EventKind.ENVIRONMENT_DESTROYED: "Its destroy succeeded, and its record was removed.",
    EventKind.TESTS_STARTED: "A test suite started to run against the ready environment.",
    EventKind.TESTS_PASSED: "A test suite passed; the data contains its result.",
    EventKind.TESTS_FAILED: "A test suite failed or timed out; the data contains its last lines and its report.",
    EventKind.TESTS_SKIPPED: (
        "A test suite skipped itself, or was skipped because a suite that it needs did not pass."
    ),
    EventKind.TESTS_STOPPED: "A test suite was stopped by a new commit, a destroy or a stop of ephd; it has no result.",
    EventKind.OPERATION_INTERRUPTED: (
        "A running operation was interrupted by a newer commit, a close, a deadline or a stop."
    ),
    EventKind.OPERATION_RECOVERED: "An operation left over from an earlier run of ephd was found and stopped.",
    EventKind.LOCK_BROKEN: "A stale lock was removed; its owner is proven dead.",
    EventKind.FORGE_INCOMPLETE: (
        "A repository could not be read completely; until then none of its environments is destroyed."
    ),
    EventKind.FORGE_RECOVERED: "A repository can be read completely again.",
    EventKind.REPORT_FAILED: "A pull request's comment or check could not be updated; Eph retries.",
    EventKind.DEPLOY_REQUESTED: "A person deployed a commit under a label.",
    EventKind.INTENT_UP: "A person or an agent requested an environment for a pull request.",
    EventKind.INTENT_DOWN: "A person requested to destroy an environment.",
    EventKind.INTENT_RETRY: "A person requested a retry.",
    EventKind.INTENT_EXTEND: "A person requested an extension.",
    EventKind.INTENT_KEEP: "A person turned off an environment's expiry.",
    EventKind.INTENT_UNKEEP: "A person turned an environment's expiry on again.",
    EventKind.INTENT_SLEEP: "A person requested to put an environment to sleep.",
    EventKind.INTENT_WAKE: "A person requested to wake an environment.",
    EventKind.VARIABLE_SET: "A person set a variable of an environment; the message contains its name, not its value.",
    EventKind.VARIABLE_UNSET: "A person unset a variable of an environment; the message contains its name.",
    EventKind.INTENT_RESET_DATABASE: "A person requested to reset a database, which deletes its data.",
    EventKind.PROBLEM_REPORTED: "A person reported a problem in a preview; the message says on which page.",
    EventKind.JOB_STARTED: "A person started a job of an environment, such as a DAG; the message contains its name.",
    EventKind.EXEC_STARTED: "A person or an agent ran a command in an environment; the message contains the command.",
    EventKind.COMMIT_APPROVED: "A person with write access approved a commit of a fork.",
    EventKind.COMMAND_OBEYED: "A chat command was executed; the message contains the command and the reply.",
    EventKind.COMMAND_REFUSED: "A chat command was rejected: unknown, impossible, or its author has no write access.",
    EventKind.SWEEP_REMOVED: "An orphan, which has no stack and no pull request, was removed.",
    EventKind.PRICES_REFRESHED: "A person downloaded public prices, which estimates of costs use.",
    EventKind.CACHE_CLEARED: "A person cleared a repository's build cache.",
    EventKind.SERVER_PAUSED: "An admin paused the server, with the reason.",
    EventKind.SERVER_RESUMED: "An admin resumed the server.",
    EventKind.SIGN_IN_SUCCEEDED: "A person signed in at the identity provider; the message says with which role.",
    EventKind.SIGN_IN_REFUSED: "A person signed in at the identity provider, but none of their groups has a role here.",
    EventKind.TOKEN_CREATED: "A person created a token; the message says for whom, with which role and until when.",
    EventKind.TOKEN_REVOKED: "A person revoked a token, or Eph did, because its owner's role was reduced.",
    EventKind.SHARE_CREATED: "A person created a share link for a preview; the message says until when.",
    EventKind.SHARE_REVOKED: "A person revoked a share link.",
    EventKind.SHARE_OPENED: "Someone opened a preview with a share link; the message says who created the link.",
    EventKind.SHARE_REFUSED: "Someone entered a wrong password for a share link.",
    EventKind.WEBHOOK_RECEIVED: (
        "The Git host reported a change; the message names the delivery and what Eph reads again."
    ),
    EventKind.LEDGER_GAP: (
        "The event log couldn't be written for a while; the message says how many events were kept and lost."
    ),
}

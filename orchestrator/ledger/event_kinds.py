"""Every kind of event there is, each with the sentence that docs/reference/events.md prints.

A kind is a dotted word: what it is about, then what happened to it. Use the constants; a test proves that this list
and the page agree, and the page is what people filter and alert by.
"""

from __future__ import annotations

from collections.abc import Mapping

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
INTENT_DOWN = "intent.down"
INTENT_RETRY = "intent.retry"
INTENT_EXTEND = "intent.extend"
INTENT_KEEP = "intent.keep"
INTENT_UNKEEP = "intent.unkeep"
INTENT_SLEEP = "intent.sleep"
INTENT_WAKE = "intent.wake"
COMMIT_APPROVED = "commit.approved"
COMMAND_OBEYED = "command.obeyed"
COMMAND_REFUSED = "command.refused"
SWEEP_REMOVED = "sweep.removed"
WEBHOOK_RECEIVED = "webhook.received"
LEDGER_GAP = "ledger.gap"

KINDS: Mapping[str, str] = {
    SERVICE_STARTED: "ephd started; the message names its version.",
    SERVICE_STOPPED: "ephd stopped on request; a crash leaves no such event.",
    LEADER_CHANGED: "Another of several replicas leads now; the message names its address and its term.",
    CYCLE_FAILED: "A cycle ended with an error; nothing is lost, the next one looks at everything again.",
    CYCLE_RECOVERED: "The first cycle that succeeded after one that failed.",
    PLAN_HELD: "A guard holds a plan, mostly because it would destroy too much; the message says how to approve it.",
    PLAN_APPROVED: "A person let one very plan that a guard held go through.",
    ENVIRONMENT_QUEUED: "Wanted, but over a limit; it waits for its turn.",
    ENVIRONMENT_WAITING: "Wanted, and waiting for checks, a debounce or the next try.",
    ENVIRONMENT_AWAITS_IMAGE: "Wanted, and its image is not there yet; the message says which and until when it waits.",
    ENVIRONMENT_WITHOUT_IMAGE: "The wait for an image is over; a push or a person makes Eph look again.",
    ENVIRONMENT_REFUSED: "Not made until somebody changes something: eph.yaml, a fork, an author, a limit.",
    ENVIRONMENT_CREATING: "The first `up` of its stack started.",
    ENVIRONMENT_CREATED: "The first `up` of its stack succeeded.",
    ENVIRONMENT_UPDATING: "An `up` of an existing stack started: a new commit, a changed eph.yaml, or a retry.",
    ENVIRONMENT_UPDATED: "An `up` of an existing stack succeeded.",
    ENVIRONMENT_FAILED: "An `up`, a destroy or a waking failed; the message says at which step and why.",
    ENVIRONMENT_STALLED: "It failed as often as it is tried; a new commit or a person starts it again.",
    ENVIRONMENT_READY: "Its URL answered the health check.",
    ENVIRONMENT_UNHEALTHY: "It was ready, and its URL no longer answers.",
    ENVIRONMENT_HELD: "Left as it is because not enough is known; the message has the command that goes on.",
    ENVIRONMENT_DRIFTED: "Something of it was lost behind Eph's back, or its URL stopped to answer; a repair starts.",
    ENVIRONMENT_REPAIRED: "What was lost is there again; the message says what it was.",
    ENVIRONMENT_SLEEPING: "What runs of it is being stopped; the message says why.",
    ENVIRONMENT_SLEPT: "It sleeps: nothing of it runs, and all that it holds is there.",
    ENVIRONMENT_WAKING: "What runs of it is being started again; the message says why.",
    ENVIRONMENT_WOKEN: "It is awake, and its services answer.",
    ENVIRONMENT_EXTENDED: "It lives longer; the message says until when.",
    ENVIRONMENT_EXPIRED: "Its time ran out.",
    ENVIRONMENT_DESTROYING: "Its destroy started; the message says why.",
    ENVIRONMENT_DESTROYED: "Its destroy was seen to succeed, and its record is gone.",
    TESTS_STARTED: "A suite of eph.yaml's tests began to run against the ready environment.",
    TESTS_PASSED: "A suite passed; the data holds its result.",
    TESTS_FAILED: "A suite failed, or took too long; the data holds its last lines and what its report says.",
    TESTS_SKIPPED: "A suite did not run, by its own word or because one that it needs did not pass.",
    TESTS_STOPPED: "A suite was ended by a new commit, a destroy or a stop of ephd; it has no result.",
    OPERATION_INTERRUPTED: "A running operation was ended early: a newer commit, a close, a deadline, a stop.",
    OPERATION_RECOVERED: "An operation that an earlier life of ephd left running was found and ended.",
    LOCK_BROKEN: "A stale lock was removed, its owner proven dead.",
    FORGE_INCOMPLETE: "A repository could not be read whole; nothing of it is destroyed until it can be.",
    FORGE_RECOVERED: "A repository can be read whole again.",
    REPORT_FAILED: "A pull request's comment or check could not be brought up to date; it is tried again.",
    INTENT_DOWN: "A person asked to take an environment down.",
    INTENT_RETRY: "A person asked to try again now.",
    INTENT_EXTEND: "A person asked for more time.",
    INTENT_KEEP: "A person asked to keep an environment whatever its time says.",
    INTENT_UNKEEP: "A person asked to let an environment's time count again.",
    INTENT_SLEEP: "A person asked to put an environment to sleep.",
    INTENT_WAKE: "A person asked to wake an environment.",
    COMMIT_APPROVED: "A person with write access let one very commit of a fork run.",
    COMMAND_OBEYED: "A chat command in a comment was obeyed; the message has the command and the answer.",
    COMMAND_REFUSED: "A chat command was not understood, could not be done, or its author may not write.",
    SWEEP_REMOVED: "A leftover that neither a stack nor a pull request accounts for was removed.",
    WEBHOOK_RECEIVED: "The Git host said that something changed; the message names the delivery and what is looked at.",
    LEDGER_GAP: "The event log could not be written for a while; the message says how many events were kept and lost.",
}


def reference_page() -> str:
    """docs/reference/events.md, whole; `python -m orchestrator.ledger.event_kinds` writes it anew."""
    rows = "\n".join(f"| `{kind}` | {sentence} |" for kind, sentence in KINDS.items())
    return _PAGE_HEADER + rows + "\n"


_PAGE_HEADER = """# Events

Everything that happens to an environment is one event in the ledger: `eph why NAME` and `GET /api/v1/events` show
them. An event has a number that grows, a kind from the list below, a time in UTC, a subject (the stack as
`project/stack`, empty when it is about the service), a message for people, an actor (`eph`, or who asked), and a few
fields of data.

Events are only ever added. Losing them loses history, never an environment: with the database down the loop goes on,
up to 1,000 events wait in memory, and `ledger.gap` says afterwards how many were kept and how many were lost.

| Kind | When |
|---|---|
"""

if __name__ == "__main__":
    import sys

    sys.stdout.write(reference_page())

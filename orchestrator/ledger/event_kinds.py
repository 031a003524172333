"""Every kind of event there is, each with the sentence that docs/reference/events.md prints.

A kind is a dotted word: what it is about, then what happened to it. Use the constants; a test proves that this list
and the page agree, and the page is what people filter and alert by.
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


KINDS: Mapping[EventKind, str] = {
    EventKind.SERVICE_STARTED: "ephd started; the message names its version.",
    EventKind.SERVICE_STOPPED: "ephd stopped on request; a crash leaves no such event.",
    EventKind.LEADER_CHANGED: "Another of several replicas leads now; the message names its address and its term.",
    EventKind.CYCLE_FAILED: "A cycle ended with an error; nothing is lost, the next one looks at everything again.",
    EventKind.CYCLE_RECOVERED: "The first cycle that succeeded after one that failed.",
    EventKind.PLAN_HELD: "A guard holds a plan, mostly because it would destroy too much; the message says "
    "how to approve "
    "it.",
    EventKind.PLAN_APPROVED: "A person let one very plan that a guard held go through.",
    EventKind.ENVIRONMENT_QUEUED: "Wanted, but over a limit; it waits for its turn.",
    EventKind.ENVIRONMENT_WAITING: "Wanted, and waiting for checks, a debounce or the next try.",
    EventKind.ENVIRONMENT_AWAITS_IMAGE: "Wanted, and its image is not there yet; the message says which and "
    "until when it "
    "waits.",
    EventKind.ENVIRONMENT_WITHOUT_IMAGE: "The wait for an image is over; a push or a person makes Eph look again.",
    EventKind.ENVIRONMENT_REFUSED: "Not made until somebody changes something: eph.yaml, a fork, an author, a limit.",
    EventKind.ENVIRONMENT_CREATING: "The first `up` of its stack started.",
    EventKind.ENVIRONMENT_CREATED: "The first `up` of its stack succeeded.",
    EventKind.ENVIRONMENT_UPDATING: "An `up` of an existing stack started: a new commit, a changed eph.yaml, or a "
    "retry.",
    EventKind.ENVIRONMENT_UPDATED: "An `up` of an existing stack succeeded.",
    EventKind.ENVIRONMENT_FAILED: "An `up`, a destroy or a waking failed; the message says at which step and why.",
    EventKind.ENVIRONMENT_STALLED: "It failed as often as it is tried; a new commit or a person starts it again.",
    EventKind.ENVIRONMENT_READY: "Its URL answered the health check.",
    EventKind.ENVIRONMENT_UNHEALTHY: "It was ready, and its URL no longer answers.",
    EventKind.ENVIRONMENT_HELD: "Left as it is because not enough is known; the message has the command that goes on.",
    EventKind.ENVIRONMENT_DRIFTED: "Something of it was lost behind Eph's back, or its URL stopped to answer; a repair "
    "starts.",
    EventKind.ENVIRONMENT_REPAIRED: "What was lost is there again; the message says what it was.",
    EventKind.ENVIRONMENT_SLEEPING: "What runs of it is being stopped; the message says why.",
    EventKind.ENVIRONMENT_SLEPT: "It sleeps: nothing of it runs, and all that it holds is there.",
    EventKind.ENVIRONMENT_WAKING: "What runs of it is being started again; the message says why.",
    EventKind.ENVIRONMENT_WOKEN: "It is awake, and its services answer.",
    EventKind.ENVIRONMENT_EXTENDED: "It lives longer; the message says until when.",
    EventKind.ENVIRONMENT_EXPIRED: "Its time ran out.",
    EventKind.ENVIRONMENT_DESTROYING: "Its destroy started; the message says why.",
    EventKind.ENVIRONMENT_DESTROYED: "Its destroy was seen to succeed, and its record is gone.",
    EventKind.TESTS_STARTED: "A suite of eph.yaml's tests began to run against the ready environment.",
    EventKind.TESTS_PASSED: "A suite passed; the data holds its result.",
    EventKind.TESTS_FAILED: "A suite failed, or took too long; the data holds its last lines and what its report says.",
    EventKind.TESTS_SKIPPED: "A suite did not run, by its own word or because one that it needs did not pass.",
    EventKind.TESTS_STOPPED: "A suite was ended by a new commit, a destroy or a stop of ephd; it has no result.",
    EventKind.OPERATION_INTERRUPTED: "A running operation was ended early: a newer commit, a close, a deadline, a "
    "stop.",
    EventKind.OPERATION_RECOVERED: "An operation that an earlier life of ephd left running was found and ended.",
    EventKind.LOCK_BROKEN: "A stale lock was removed, its owner proven dead.",
    EventKind.FORGE_INCOMPLETE: "A repository could not be read whole; nothing of it is destroyed until it can be.",
    EventKind.FORGE_RECOVERED: "A repository can be read whole again.",
    EventKind.REPORT_FAILED: "A pull request's comment or check could not be brought up to date; it is tried again.",
    EventKind.INTENT_DOWN: "A person asked to take an environment down.",
    EventKind.INTENT_RETRY: "A person asked to try again now.",
    EventKind.INTENT_EXTEND: "A person asked for more time.",
    EventKind.INTENT_KEEP: "A person asked to keep an environment whatever its time says.",
    EventKind.INTENT_UNKEEP: "A person asked to let an environment's time count again.",
    EventKind.INTENT_SLEEP: "A person asked to put an environment to sleep.",
    EventKind.INTENT_WAKE: "A person asked to wake an environment.",
    EventKind.COMMIT_APPROVED: "A person with write access let one very commit of a fork run.",
    EventKind.COMMAND_OBEYED: "A chat command in a comment was obeyed; the message has the command and the answer.",
    EventKind.COMMAND_REFUSED: "A chat command was not understood, could not be done, or its author may not write.",
    EventKind.SWEEP_REMOVED: "A leftover that neither a stack nor a pull request accounts for was removed.",
    EventKind.WEBHOOK_RECEIVED: "The Git host said that something changed; the message names the delivery and "
    "what is looked "
    "at.",
    EventKind.LEDGER_GAP: "The event log could not be written for a while; the message says how many events "
    "were kept and "
    "lost.",
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

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
    SERVICE_STARTED: "ephd started; the message contains its version.",
    SERVICE_STOPPED: "ephd stopped on request. A crash leaves no event.",
    LEADER_CHANGED: "Another replica became the leader; the message contains its address and term.",
    CYCLE_FAILED: "A cycle failed. Nothing is lost; the next cycle reads everything again.",
    CYCLE_RECOVERED: "A cycle succeeded after one that failed.",
    PLAN_HELD: (
        "A guard put a plan on hold, usually because it would destroy too much; the message says how to approve it."
    ),
    PLAN_APPROVED: "A person approved a plan that was on hold.",
    ENVIRONMENT_QUEUED: "A limit is reached; the environment waits in the queue.",
    ENVIRONMENT_WAITING: "The environment waits for checks, further pushes or the next attempt.",
    ENVIRONMENT_AWAITS_IMAGE: "The environment waits for an image; the message says which one and until when.",
    ENVIRONMENT_WITHOUT_IMAGE: "The image did not appear in time; a push or `/eph retry` starts a new lookup.",
    ENVIRONMENT_REFUSED: "The environment is not created: an invalid eph.yaml, a fork, an untrusted author or a limit.",
    ENVIRONMENT_CREATING: "The first `up` of its stack started.",
    ENVIRONMENT_CREATED: "The first `up` of its stack succeeded.",
    ENVIRONMENT_UPDATING: "An `up` of an existing stack started: a new commit, a changed eph.yaml, or a retry.",
    ENVIRONMENT_UPDATED: "An `up` of an existing stack succeeded.",
    ENVIRONMENT_FAILED: "An `up`, a destroy or a wake-up failed; the message says at which step and why.",
    ENVIRONMENT_STALLED: "All attempts failed; a new commit or a person starts a new one.",
    ENVIRONMENT_READY: "Its URL passed the health check.",
    ENVIRONMENT_UNHEALTHY: "It was ready, but its URL no longer responds.",
    ENVIRONMENT_HELD: (
        "Eph leaves it unchanged because not enough is known; the message contains the command to continue."
    ),
    ENVIRONMENT_DRIFTED: "A resource disappeared outside of Eph, or its URL stopped responding; a repair starts.",
    ENVIRONMENT_REPAIRED: "The repair succeeded; the message says what was repaired.",
    ENVIRONMENT_SLEEPING: "Its processes are being stopped; the message says why.",
    ENVIRONMENT_SLEPT: "It is asleep: nothing runs, and all data is kept.",
    ENVIRONMENT_WAKING: "Its processes are being started again; the message says why.",
    ENVIRONMENT_WOKEN: "It is awake, and its services respond.",
    ENVIRONMENT_EXTENDED: "Its expiry was postponed; the message says until when.",
    ENVIRONMENT_EXPIRED: "The environment expired.",
    ENVIRONMENT_DESTROYING: "Its destroy started; the message says why.",
    ENVIRONMENT_DESTROYED: "Its destroy succeeded, and its record was removed.",
    TESTS_STARTED: "A test suite started to run against the ready environment.",
    TESTS_PASSED: "A test suite passed; the data contains its result.",
    TESTS_FAILED: "A test suite failed or timed out; the data contains its last lines and its report.",
    TESTS_SKIPPED: "A test suite was skipped, either by itself or because a suite that it needs did not pass.",
    TESTS_STOPPED: "A test suite was stopped by a new commit, a destroy or a stop of ephd; it has no result.",
    OPERATION_INTERRUPTED: (
        "A running operation was canceled: a newer commit, a closed pull request, a deadline or a stop."
    ),
    OPERATION_RECOVERED: "An operation left over from an earlier run of ephd was found and stopped.",
    LOCK_BROKEN: "A stale lock was removed; its owner is proven dead.",
    FORGE_INCOMPLETE: "A repository could not be read completely; until then none of its environments is destroyed.",
    FORGE_RECOVERED: "A repository can be read completely again.",
    REPORT_FAILED: "A pull request's comment or check could not be updated; Eph retries.",
    INTENT_DOWN: "A person requested to destroy an environment.",
    INTENT_RETRY: "A person requested a retry.",
    INTENT_EXTEND: "A person requested an extension.",
    INTENT_KEEP: "A person turned off an environment's expiry.",
    INTENT_UNKEEP: "A person turned an environment's expiry on again.",
    INTENT_SLEEP: "A person requested to put an environment to sleep.",
    INTENT_WAKE: "A person requested to wake an environment.",
    COMMIT_APPROVED: "A person with write access approved a commit of a fork.",
    COMMAND_OBEYED: "A chat command was executed; the message contains the command and the reply.",
    COMMAND_REFUSED: "A chat command was rejected: unknown, impossible, or its author has no write access.",
    SWEEP_REMOVED: "An orphan, which has no stack and no pull request, was removed.",
    WEBHOOK_RECEIVED: "A webhook arrived; the message contains the delivery and what Eph reads because of it.",
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

Events are append-only. Losing them loses history, never an environment: if the database is down, the loop continues,
up to 1,000 events wait in memory, and `ledger.gap` reports afterwards how many were kept and how many were lost.

| Kind | When |
|---|---|
"""

if __name__ == "__main__":
    import sys

    sys.stdout.write(reference_page())

"""What authors of targets read when a check fails or is skipped."""

from __future__ import annotations

from collections.abc import Iterable

# --- Checks that don't apply


def not_implemented(target: str, capability: str) -> str:
    return f"{target} doesn't implement {capability}"


def checks_skipped(target: str, capabilities: str) -> str:
    return f"{not_implemented(target, capabilities)}; their checks were skipped"


def no_hostility(target: str) -> str:
    return f"{target} declares neither writable_folder nor make_hostile"


NEEDS_ITS_SERVICE = "needs the service that its plugin talks to"

# --- Checks that fail

ANSWERS_ASLEEP = "it answers while it sleeps"
SILENT_AFTER_WAKE = "it doesn't answer when wake returns"
NO_KIND_IN_STATE = "no kind of live_resources is one of the state's"
REPORTED_AS_ORPHANS = "the audit would report these as orphans"
HOSTILE_DELAYS = "a hostile environment delays its neighbour"
LEAVES_NOTHING = "an environment that exists leaves something"
BROKEN_SUCCEEDED = "the commit `broken` didn't fail"
UNEXPLAINED_FAILURE = "people don't learn why"
READ_NOTHING = "nothing of the environment was read"
CREATED_NOTHING = "no resource was created"
LIST_NEEDS_STATE = "the target's own list needs no state"
LEFT_AFTER_PURGE = "this is left after every environment was purged"


def no_state(stack: object) -> str:
    return f"the state of {stack} doesn't exist after an update"


def operation_failed(verb: str, error: str, lines: Iterable[str]) -> str:
    return "\n".join([f"the {verb} failed: {error}", *lines])


def timed_out(seconds: float, condition: str) -> str:
    return f"after {seconds:.0f} s, still not: {condition}"


# --- Conditions that checks wait for

NOTHING_HAS_DRIFTED = "nothing has drifted"
ANSWERS_AGAIN = "it answers again"
NO_LONGER_ANSWERS = "it no longer answers"


def answers(url: str, text: str) -> str:
    return f"{url} answers {text!r}"


# --- The suite's repository

COMMIT_MESSAGE = "A commit of the conformance suite"

"""What the story of label deploys prints: each step, and what it saw when one failed."""

from __future__ import annotations


def deploys_summary(deploys: int, first_request: float, cold: tuple[int, int], leftovers: int) -> str:
    """``cold``: how many requests found a deploy stopped, and how often it was started."""
    requests, starts = cold
    return (
        f"demo: {deploys} deploys, first request to answer {first_request:.1f} s, "
        f"{requests} cold requests {starts} start{'' if starts == 1 else 's'}, leftovers {leftovers}"
    )


SHOP_IS_OPEN = "the shop is open"
"""The shop of this story prints it at each start."""
COMMIT_MESSAGE = "A colour to try"

# Steps


def deployed(label: str) -> str:
    return f"Deployed {label}. Nothing of it runs."


def first_answered(label: str, seconds: float) -> str:
    return f"The first request to {label} was answered after {seconds:.1f} s."


def many_answered(requests: int, label: str) -> str:
    return f"{requests} requests to {label} at once, and ephd killed: all answered, 1 start."


def gateway_killed(label: str) -> str:
    return f"Killed the gateway while it held a request to {label}. It was started once."


def killed_while_replacing(label: str) -> str:
    return f"Killed ephd while it replaced {label}, which was served all the time."


def replaced(label: str) -> str:
    return f"Replaced {label}; exactly one is left."


def expired(label: str) -> str:
    return f"{label} expired and was collected."


# Conditions that steps wait for


def is_accepted(label: str) -> str:
    return f"{label} is accepted"


def is_deployed(label: str) -> str:
    return f"{label} is deployed"


REQUESTS_ARE_RECORDED = "the requests are recorded"
REQUEST_IS_RECORDED = "the request is recorded"
REPLACEMENT_IS_BUILDING = "the replacement is being built"


def answers(label: str) -> str:
    return f"{label} answers"


def is_replaced(label: str) -> str:
    return f"{label} is replaced"


def is_not_served(label: str) -> str:
    return f"{label} isn't served"


def is_collected(label: str) -> str:
    return f"{label} is collected"


def is_destroyed(label: str) -> str:
    return f"{label} is destroyed"


# What was seen instead


def runs_unrequested(label: str, processes: object) -> str:
    return f"{label} runs before its first request: {processes}"


def wrong_first_answer(label: str, status: int, text: str) -> str:
    return f"the first request to {label} got {status}: {text[:200]}"


def wrong_answers(requests: int, statuses: object, starts: int) -> str:
    return f"{requests} requests: {statuses}, {starts} starts"


def started_repeatedly(label: str, count: int) -> str:
    return f"{label} was started {count} times"


def lost_without_server(label: str, problem: str) -> str:
    return f"{label} without ephd: {problem}"


def lost_after_kill(label: str, problem: str) -> str:
    return f"{label} after the kill: {problem}"


def wrong_versions(label: str, versions: object) -> str:
    return f"the versions of {label} are {versions}"


def versions_are(commits: object) -> str:
    return f"its versions are {commits}"


def phase_is(phase: str) -> str:
    return f"it is {phase}"


def got(status: int, text: str = "") -> str:
    return f"it got {status} {text[:80]}".rstrip()


NO_REQUEST = "no request yet"

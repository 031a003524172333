"""`eph wtf`: what is wrong and what to do."""

from __future__ import annotations

NOTHING_WRONG = "Nothing is wrong."
NO_CYCLE = "no cycle has finished since the server started"
SEE_SERVER_LOG = "Read the server's log: it says what the loop waits for."
INCOMPLETE = "not everything could be read, so nothing is destroyed because it is absent"
BLOCKED_PASSES = "Eph continues when the limit resets. With webhooks it needs fewer requests."
INSTALL_SAME = "Install the server's version of `eph`."
SEE_EVENTS = "eph events --since 1h"
FIX_EPH_YAML = "Fix eph.yaml, check it with `eph validate`, and push."
TODO = "→ "


def stale_cycle(when: str) -> str:
    return f"the last cycle ended {when}"


def blocked(span: str) -> str:
    return f"it accepts no requests for another {span} (rate limit)"


def low_rate_limit(remaining: int, limit: int) -> str:
    return f"only {remaining} of {limit} requests remain (rate limit)"


def version_skew(client: str, server: str) -> str:
    return f"this client is {client}, the server {server}"


def phase_because(phase: str, reason: str) -> str:
    return f"{phase}: {reason}" if reason else phase


def slow(phase: str, age: str, progress: str) -> str:
    return f"{phase} for {age}{f': {progress}' if progress else ''}"


def queued(position: int | None, reason: str) -> str:
    place = f" at position {position}" if position is not None else ""
    return f"queued{place}{f': {reason}' if reason else ''}"


def process(service: str, state: str, detail: str) -> str:
    return f"{service} is {state}{f': {detail}' if detail else ''}"


def inspect(name: str) -> str:
    return f"eph logs {name}, then eph up {name}"


def follow_logs(name: str) -> str:
    return f"eph logs {name} --follow"


def service_logs(name: str, service: str) -> str:
    return f"eph logs {name} --service {service}"


def summary(problems: int, warnings: int) -> str:
    return f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

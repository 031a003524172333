"""What happened, for the event log."""

from __future__ import annotations

from datetime import datetime

from orchestrator.core.util import formatting
from stacks.model import OperationVerb

CYCLES_RECOVERED = "cycles succeed again"
LEADERS_OPERATION_STOPPED = "an operation of an earlier leader was stopped"
LEFTOVER_OPERATION_STOPPED = "an operation left over from an earlier run was stopped"


def new_leader(address: str, term: int) -> str:
    return f"the replica at {address} is the leader now, term {term}"


def operation_failed(verb: OperationVerb, step: str, error: str) -> str:
    at = f" at {step}" if step else ""
    return f"{verb} failed{at}: {error}"


def built(sha: str, seconds: float) -> str:
    return f"commit {formatting.commit(sha)} was built in {seconds:.1f} s"


def destroyed(seconds: float) -> str:
    return f"destroyed in {seconds:.1f} s"


def stopped(seconds: float) -> str:
    return f"stopped in {seconds:.1f} s"


def responding(seconds: float) -> str:
    return f"responding after {seconds:.1f} s"


def extended(until: datetime) -> str:
    return f"extended until {until:%Y-%m-%d %H:%M} UTC"


def started_by_replica(identity: str) -> str:
    return f"started by another replica: {identity}"


def repository_recovered(name: str) -> str:
    return f"{name} can be read completely again"

"""What happens to a stack: operations, holds and tags."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from orchestrator.core.util import formatting
from orchestrator.core.wording.common import UNKNOWN_REASON


def operation(verb: str, sha: str) -> str:
    return f"{verb} of {formatting.commit(sha)}" if sha else verb


def waiting_for_replica(operation: str) -> str:
    return f"waiting for the {operation} that another replica started"


def canceling(operation: str) -> str:
    return f"canceling the {operation}"


def is_running(operation: str) -> str:
    return f"{operation} is running"


NEEDED_AGAIN = "needed again; waiting for the running destroy to finish"


def newer_commit(sha: str, running: str) -> str:
    return f"commit {formatting.commit(sha)} is newer than {formatting.commit(running)}"


def superseded_too_often(reason: str, count: int) -> str:
    times = formatting.count(count, "time")
    return f"{reason}, but the update was already superseded {times} in a row and now runs to completion"


def waiting_for_pushes(reason: str) -> str:
    return f"{reason}; waiting for further pushes"


def second_stack(title: str, first: object) -> str:
    return f"a second stack for {title}; {first} already exists"


def unreadable_state(problem: str) -> str:
    return f"its state couldn't be read: {problem}"


def foreign_tag(other: str, title: str) -> str:
    return f"its tag says it belongs to {other}, but its name says {title}"


def locked(owner: str) -> str:
    return f"locked by {owner}, which may still be running"


def lock_owner(pid: int, user: str, host: str, since: datetime) -> str:
    return f"process {pid} of {user} on {host} since {formatting.timestamp(since)}"


def unknown_lock_owner(lock: str) -> str:
    return f"an unknown owner (the lock {lock} can't be read)"


def nothing_to_destroy(reason: str) -> str:
    return f"{reason}; nothing to destroy"


def stacks_unreadable(problem: str) -> str:
    return f"not all stacks could be read ({problem or UNKNOWN_REASON})"


def destroy_held(reason: str, problem: str) -> str:
    return f"{reason}, but {stacks_unreadable(problem)}"


def may_exist(problem: str) -> str:
    return f"{stacks_unreadable(problem)}, so it may exist already"


def create_for_label(title: str, labels: Iterable[str]) -> str:
    return f"{title} has the label {formatting.join_words(labels)} but no environment yet"


def create_for_ref(title: str, kind: str) -> str:
    return f"{title} is a {kind} that eph.yaml selects but has no environment yet"


def in_sync(sha: str) -> str:
    return f"the newest commit {formatting.commit(sha)} is deployed"


def asleep(since: datetime, sha: str) -> str:
    return f"asleep since {formatting.timestamp(since)} on the newest commit {formatting.commit(sha)}; a visit wakes it"


def kept(keep: bool) -> str:
    return "kept: it doesn't expire" if keep else "expiry is on again"


def extended(until: datetime) -> str:
    return f"extended until {formatting.timestamp(until)}"


def tag_updated(sha: str, title: str) -> str:
    return f"updating its tag to commit {formatting.commit(sha)} of {title}"


def variables_changed(by: str) -> str:
    return f"{by} changed its variables"


def variables_wait(by: str) -> str:
    return f"{by} changed its variables, but they couldn't be recorded yet"


def variables_unreadable(problem: str) -> str:
    return f"{problem}. Set them again with `eph env set`, or restore the key."

"""Why an environment is updated, repaired or retried."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from orchestrator.core.util import formatting
from orchestrator.core.wording.common import UNKNOWN_REASON, detail_after_colon

RETRY_BY_PUSH = "push a new commit or run `eph up` to retry"
RETRY_WAKE_BY_PUSH = "push a new commit or run `eph wake` to retry"


def attempts(what: str, failed: int) -> str:
    return f"{what} failed {formatting.count(failed, 'time')}" if failed else f"{what} was interrupted"


def build_of(sha: str) -> str:
    return f"the build of {formatting.commit(sha)}"


def sleep_or_wake(asleep: bool) -> str:
    return "sleep" if asleep else "wake-up"


def retry_later(reason: str, attempts: str, until: datetime | None, otherwise: str) -> str:
    next_attempt = f"next attempt at {formatting.timestamp(until)}" if until else otherwise
    return f"{reason}; {attempts}; {next_attempt}"


def repairs_failed(reason: str, until: datetime) -> str:
    return f"{reason}; earlier repairs didn't help, next repair at {formatting.timestamp(until)}"


def half_done(count: int) -> str:
    return f"an interrupted attempt left {formatting.count(count, 'resource')} half-done"


DEAD_LOCK = "the last attempt left a lock behind, and the process that held it no longer exists"
SPEC_CHANGED = "eph.yaml, its variables or the server's settings changed since the last build"
NOT_FINISHED = "its creation wasn't finished"


def newer_than_live(sha: str, live: str) -> str:
    return f"commit {formatting.commit(sha)} is newer than the live commit {formatting.commit(live)}"


def target_upgraded(target: str, version: str) -> str:
    return f"the target {target} was upgraded to {version}"


def last_attempt_failed(problem: str) -> str:
    return f"the last attempt failed: {problem.removesuffix('.') or UNKNOWN_REASON}"


def url_unresponsive(silence: timedelta, detail: str) -> str:
    return f"its URL hasn't responded for {formatting.duration(silence)}{detail_after_colon(detail)}"


def url_repaired(detail: str) -> str:
    silent = f"its URL didn't respond{detail_after_colon(detail)}"
    return f"{silent}; all resources were checked, and missing ones were recreated"


def repaired(at: datetime, sentence: str) -> str:
    return f"repaired at {formatting.timestamp(at)}: {sentence}"


def reset_databases(names: Iterable[str]) -> str:
    return f"a reset of the database {', '.join(names)} was requested"

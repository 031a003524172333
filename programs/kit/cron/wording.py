"""What the log of a scheduled service says about its runs."""

from __future__ import annotations

from datetime import datetime

NEXT_RUN = "eph: next run at"


def next_run(due: datetime) -> str:
    return f"{NEXT_RUN} {_minute(due)}"


def starting(due: datetime) -> str:
    return f"eph: starting the run of {_minute(due)}"


def succeeded(seconds: float) -> str:
    return f"eph: the run succeeded after {seconds:.1f} s"


def failed(code: int, seconds: float) -> str:
    how = f"with exit status {code}" if code >= 0 else f"by signal {-code}"
    return f"eph: the run failed {how} after {seconds:.1f} s"


def too_long(seconds: float) -> str:
    return f"eph: the run failed: it was stopped after {seconds:.0f} s"


PREVIOUS_COMMIT_RUNS = "eph: skipped this run: one of the previous commit hasn't ended"
MISSED = "eph: skipped the runs that were due meanwhile: a run never overlaps the one before"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

"""How test suites ran, for the event log and for results."""

from __future__ import annotations

from orchestrator.core.suites.suite_results import SuiteResult, SuiteRun
from orchestrator.core.util import formatting
from stacks.model import StackRef

CANNOT_RUN = "it reported that it can't run here"


def run(run: SuiteRun) -> str:
    return f"{run.suite} on commit {formatting.commit(run.commit)}"


def result(result: SuiteResult) -> str:
    detail = f": {result.detail}" if result.detail else ""
    commit = formatting.commit(result.commit)
    return f"{result.suite} on commit {commit} {result.outcome} in {result.seconds:.1f} s{detail}"


def tests_failed_to_run(ref: StackRef, error: BaseException) -> str:
    return f"the tests of {ref} failed to run: {type(error).__name__}: {error}"


def not_run(error: BaseException) -> str:
    return f"couldn't be run: {str(error).splitlines()[0][:300]}"


def interrupted(times: int) -> str:
    return f"interrupted {times} times; run `eph up` to start it again"


def timed_out(seconds: float) -> str:
    return f"timed out after {seconds} s"


def exit_status(code: int) -> str:
    return f"exit status {code}" if code > 0 else f"killed by signal {-code}"


def report_unreadable(path: str, error: Exception, detail: str) -> str:
    """``detail``: how the suite ended, if it failed."""
    problem = f"can't read its report {path}: {error}"
    return f"{detail}; {problem}" if detail else problem

"""The commands about environments: results, questions and errors."""

from __future__ import annotations

from collections.abc import Iterable

# --- Names

NAME_EMPTY = "the name is empty"
LIST_NAMES = "Run `eph list` to see all names."


def ambiguous(query: str, count: int) -> str:
    return f"{query!r} matches {count} environments"


def choose_one(names: str) -> str:
    return f"Choose one of {names}."


NOT_FOUND_HINT = (
    "If it expired or was destroyed, its label was removed too. Add the label to the pull request again, "
    "or comment `/eph up` there. `eph list` shows all environments."
)

CAN_EXPIRE = "can expire again"


# --- Deploys

REF_OR_VERSION = "Use either --ref or --version."


def deploying(commit: str, label: str) -> str:
    return f"Deploying commit {commit} as {label}."


NO_VERSIONS = "no versions yet; deploy one with `eph deploy LABEL`"


def still_live(commit: str) -> str:
    return f"Commit {commit} is still live."


NOTHING_LEFT = "Everything it created was removed."
SEE_NEWER = "See the newer one with `eph versions`."


def deploy_failed(label: str, error: str) -> str:
    return f"the deploy {label} failed: {error}"


def not_deployed(label: str, timeout: str) -> str:
    return f"{label} is not deployed after {timeout}"


def continues_with(name: str) -> str:
    return f"Eph continues in the background. Check with `eph get {name}`."


# --- Actions


SINCE_ALONE = "--since applies to the last lines of steps and services"
OMIT_OR_SINCE = "Omit --since, or --operation, --suite and --previous."


def reset_question(name: str, database: str, server: str) -> str:
    what = f"the database {database}" if database else "the database"
    return f"Delete all data in {what} of {name} on {server}, then seed and migrate it again?"


def resetting(name: str, database: str) -> str:
    return f"Resetting the database {database}. Progress: eph logs {name} --follow"


def restarted(name: str, services: Iterable[str]) -> str:
    return f"Restarted {', '.join(services)}. Logs: eph logs {name} --follow"


def retry_requested(name: str, phase: str) -> str:
    return f"{name}: retry requested; it is {phase}. Use `eph up {name} --wait` to wait until it is ready."


def destroy_question(name: str, host: str) -> str:
    return f"Destroy {name} and its database on {host}?"


def falling_asleep(name: str) -> str:
    return f"going to sleep; `eph wake {name}` or a visit wakes it"


def ready(name: str) -> str:
    return f"{name} is ready"


def waking(name: str) -> str:
    return f"{name}: waking up"


def no_terminal(question: str) -> str:
    return f"{question} Can't ask for confirmation without a terminal."


# --- Queries

ADD_LABEL = "; add the trigger label to a pull request that has an eph.yaml"


def status(total: int, running: int, queued: int, cycle: str) -> str:
    return f"{total} total, {running} running operations, {queued} queued; last cycle {cycle}"


def to_continue(reason: str, command: str) -> str:
    return f"{reason} To continue: {command}"


YAML_AND_JSON = "--json and --jq print JSON"
OMIT_OUTPUT = "Omit --output yaml."
WATCH_IS_A_TABLE = "--watch shows a table"
OMIT_WATCH = "Omit --watch, or use `eph events --follow --output json`."
NO_JQ = "jq is not installed, or not on PATH"
INSTALL_JQ = "Install jq, or pipe the output of --output json into another program."
FIX_JQ = "See https://jqlang.org/manual for the syntax."


def server(described: str) -> str:
    return f"server: {described}"


def unknown_fields(names: list[str]) -> str:
    return f"unknown fields: {', '.join(repr(name) for name in names)}"


def known_fields(names: list[str]) -> str:
    return f"Fields: {', '.join(names)}."


def jq_failed(problem: str) -> str:
    return f"jq failed: {problem}"


LAST_LINES = "\nLast lines of output:"
LATEST_EVENTS = "\nLatest events:"
NO_EVENTS = "no events"
OMIT_FORMATS = "Omit --output, --json and --jq."


def more_events(count: int) -> str:
    return f"only the last {count} events are shown; there are more in this period"


def service_url(service: str) -> str:
    return f"url of {service}"


def in_seconds(seconds: float) -> str:
    return f" in {seconds:.1f} s"


def attempts(tries: int, following: str) -> str:
    return f"{tries}, next {following}"


def no_url(name: str, phase: str) -> str:
    return f"{name} has no URL: it is {phase}"


def see_why(name: str) -> str:
    return f"Run `eph why {name}` to see why."


# --- Logs

FOLLOW_IS_PLAIN = "--follow streams plain lines"
SUITE_ALONE = "--suite can only be combined with --lines and --output"
OMIT_OTHERS = "Omit the other options."
PREVIOUS_HAS_EXITED = "--previous shows a process that has exited"
NO_OUTPUT = "no output yet"


# --- Waiting


def destroyed(name: str) -> str:
    return f"{name} is destroyed"


CLOSED_OR_UNLABELLED = "Its pull request was closed, or its label was removed."


def see_why_and_logs(name: str) -> str:
    return f"For details run `eph why {name}` and `eph logs {name}`."


def run_why(name: str) -> str:
    return f"For details run `eph why {name}`."


def phase_because(name: str, phase: str, reason: str) -> str:
    return f"{name} is {phase}: {reason}"


def phase(name: str, phase: str) -> str:
    return f"{name} is {phase}"


def not_ready(name: str, timeout: str) -> str:
    return f"{name} is not ready after {timeout}"


CONTINUES = "Eph continues in the background. Check with `eph get`."


# --- Steps

NO_STEPS = "no steps yet"
POSITION_FORM = "Use ID:45 or ID:45-60 with the id that `eph steps` prints, or a link to a line on the dashboard."
LINES_KEPT = "Eph keeps the output of the newest five commits. `eph steps NAME` lists what it has."


def invalid_position(text: str) -> str:
    return f"{text!r} is not the position of a line"


def no_such_line(position: str) -> str:
    return f"there is no line at {position}"


def commits_with_steps(commit: str, kept: str) -> str:
    return f"commit {commit or 'unknown'}; kept: {kept}"

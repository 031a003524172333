"""Sentences about changes that people request in an environment: restarts, variables, databases."""

from __future__ import annotations

from collections.abc import Iterable

# --- Restarts


def nothing_to_restart(name: str) -> str:
    return f"Nothing of {name} runs that could be restarted. Details: `eph why {name}`."


def asleep(name: str) -> str:
    return f"{name} is asleep. Wake it with `eph wake {name}`."


def busy(name: str) -> str:
    return f"An operation is running on {name}. Try again when it has ended: `eph watch {name}`."


def restart_unsupported(target: str) -> str:
    return f"The target `{target}` can't restart services."


def restarted(services: Iterable[str]) -> str:
    return f"restarted {', '.join(services)}"


def restart_reply(name: str, services: Iterable[str]) -> str:
    return f"Restarted {', '.join(services)} of {name}."


# --- Variables


def ending(name: str) -> str:
    return f"{name} is being destroyed, so its variables can't change."


def not_created(name: str) -> str:
    return f"{name} doesn't exist yet. Try again once it has been created: `eph watch {name}`."


def not_set(variable: str, name: str, known: Iterable[str]) -> str:
    listed = ", ".join(sorted(known))
    return f"{variable} isn't set for {name}. " + (f"Set: {listed}." if listed else "No variables are set.")


PUBLIC_SERVICE = "a public service"
MAIL_CATCHER = "the mail catcher"


def service_owner(service: str) -> str:
    return f"service `{service}`"


def database_owner(database: str) -> str:
    return f"database `{database}`"


def owned(variable: str, owner: str) -> str:
    return f"{variable} is set by Eph{f' for {owner}' if owner else ''}. Use another name."


def zero_byte(variable: str) -> str:
    return f"The value of {variable} contains a zero byte."


def too_long(variable: str, limit: int) -> str:
    return f"The value of {variable} exceeds the limit of {limit} bytes."


def secret_too_short(variable: str, limit: int) -> str:
    return f"The value of {variable} is too short for a secret: Eph redacts values of at least {limit} characters."


def too_many(count: int, limit: int) -> str:
    return f"{count} variables exceed the limit of {limit} for an environment."


def too_large(size: int, limit: int) -> str:
    return f"The variables have {size} bytes, which exceeds the limit of {limit} for an environment."


def variable_set(variable: str) -> str:
    return f"set the variable {variable}"


def variable_unset(variable: str) -> str:
    return f"unset the variable {variable}"


# --- Databases


def cant_reset_now(name: str) -> str:
    return f"{name} is being destroyed, so its database can't be reset."


def reset_unsupported(target: str) -> str:
    return f"The target `{target}` can't reset databases in place."


def no_databases(name: str) -> str:
    return f"The eph.yaml of {name} has no databases."


def choose_database(name: str, known: Iterable[str]) -> str:
    return f"{name} has several databases. Name the one to reset: {', '.join(known)}."


def unknown_database(name: str, database: str, known: Iterable[str]) -> str:
    return f"{name} has no database {database!r}. Databases: {', '.join(known)}."


def requested_reset(database: str) -> str:
    return f"requested a reset of the database {database}"


def resetting(name: str, database: str) -> str:
    return f"Resetting the database {database} of {name}. It is created, seeded and migrated again."


LABEL_AUTHOR = "label"
"""Who requests what a label requests: the Git host's lists don't say who added it."""


def reset_label_stays(name: str, label: str, error: Exception) -> str:
    return f"The label {label} of {name} couldn't be removed, so nothing was reset: {error}. Eph tries again."


def confirm_reset(name: str, databases: Iterable[str]) -> str:
    commands = " or ".join(f"`/eph reset-db {database}`" for database in databases)
    return f"A reset deletes all data in a database of {name}. To confirm, name it: {commands}."


# --- Problem reports

EMPTY_REPORT = "The report is empty. Describe what is wrong."


def report_too_long(limit: int) -> str:
    return f"The report is too long. Use at most {limit} characters."


def no_pull_request(name: str) -> str:
    return f"{name} has no pull request to comment on."


def report_not_posted(error: object) -> str:
    return f"The comment wasn't posted: {error}. Try again."


def reported_problem(path: str) -> str:
    return f"reported a problem on {path}"


# --- Pause


def paused(reason: str) -> str:
    return f"paused the server: {reason}" if reason else "paused the server"


RESUMED = "resumed the server"


def not_paused(problem: OSError) -> str:
    return f"The server couldn't be paused: {problem}"


def not_resumed(problem: OSError) -> str:
    return f"The server couldn't be resumed: {problem}"


def refused(paused: str) -> str:
    return f"The server is {paused}. Try again once an admin has run `eph server resume`."


# --- Pull requests

NO_TRIGGER_LABEL = "The repository's eph.yaml defines no trigger label."


def unknown_pull_request(reference: str) -> str:
    return f"There is no {reference}."


def not_open(reference: str, state: str) -> str:
    return f"{reference} is {state}. Only an open one gets an environment."


def pull_request_unreadable(reference: str, problem: object) -> str:
    return f"{reference} can't be read right now: {problem}"


def requested_by_label(label: str, added: bool) -> str:
    return f"added the label {label}" if added else f"requested it again; the label {label} was set"

"""What people read about environments, whatever their target is."""

from __future__ import annotations

from collections.abc import Sequence

# --- Targets


def unknown_target(name: str, installed: Sequence[str]) -> str:
    return f"Unknown target {name}. Installed targets: {', '.join(installed)}."


def invalid_target_name(name: str) -> str:
    return f"Target {name} has an invalid name. Use lowercase letters and digits."


# --- Operations

NOT_RETRIED = "Not retried, because it would fail again."


def lines_omitted(count: int) -> str:
    return f"… {count} lines omitted …"


def step_finished(step: str, seconds: float) -> str:
    return f"{step} | finished after {seconds:.1f} s"


def step_failed(step: str, seconds: float) -> str:
    return f"{step} | failed after {seconds:.1f} s"


# --- Logs, commands and restarts

TIMES_UNKNOWN = "This target doesn't record when lines were printed. Omit --since."
NO_PSQL = "This service's image has no psql. Add it, or run another client with eph exec."


def no_such_service(environment: str, service: str, known: Sequence[str]) -> str:
    return f"{environment} has no service {service!r}. Services: {', '.join(known)}."


def nothing_to_restart(environment: str) -> str:
    return f"{environment} has no running services that could be restarted."


def invalid_variable(name: str) -> str:
    return f"{name!r} isn't the name of a variable."


def no_database(variable: str) -> str:
    return f"The environment has no database in {variable}."


# --- Settings


def invalid_image(text: str) -> str:
    return f"image {text!r} is not a reference; write registry/repository:tag"


def invalid_pull_secret(entry: str) -> str:
    return f"{entry!r} isn't REPOSITORY=FILE, as in acme/*=/etc/eph/acme.json"


def variable_not_allowed(name: str) -> str:
    return f"{name} can't be set for previews"


VARIABLE_EXAMPLE = "use a value such as PIP_INDEX_URL"


def invalid_template_database(value: str) -> str:
    return f"{value} is not name=database"


TEMPLATE_DATABASE_EXAMPLE = "use a value such as shop=shop_prepared"

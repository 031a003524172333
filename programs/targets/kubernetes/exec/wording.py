"""Why a command in an environment can't run, or ended early."""

from __future__ import annotations

from collections.abc import Iterable

INPUT_STAYS_OPEN = (
    "This cluster can't pass on the end of the input (Kubernetes before 1.30), so a command that waits for it doesn't "
    "end.\n"
)
SILENT = "The cluster hasn't responded for a while, so the connection to the command was closed."
CLOSED_BY_CLUSTER = "the cluster closed it"
NO_REASON = "no reason given"


def not_started(problem: str) -> str:
    return f"The command can't be started: {problem}"


def connection_ended(reason: str) -> str:
    return f"The connection to the command ended: {reason}. Its pod may be gone."


def denied(reason: str) -> str:
    return (
        f"The cluster denied the command: {reason}. Eph's account needs the permissions get and create for pods/exec."
    )


def responded_with(status: int, path: str, reason: str) -> str:
    return f"The cluster responded with {status} to {path}: {reason}"


def nothing_runs(environment: str) -> str:
    return f"No service of {environment} runs in the cluster."


def unknown_service(environment: str, service: str, known: Iterable[str]) -> str:
    return f"{environment} has no service {service!r}. Services: {', '.join(known)}."


def asleep(environment: str) -> str:
    return f"{environment} is asleep. Wake it with eph wake {environment}, and try again."


def not_running(service: str, environment: str) -> str:
    return f"The service {service} isn't running. To find out why: eph logs {environment}."

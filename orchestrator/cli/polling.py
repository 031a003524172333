"""Waits for an environment to reach a state, printing each step."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rich.status import Status

    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

POLL_INTERVAL = 1.0
MAX_STALE_POLLS = 8
"""The number of polls that may still return the state from before the request, until the loop has processed it."""
FAILED_PHASES = frozenset({"failed", "stalled", "refused", "held", "expired", "destroyed"})


def until_ready(client: ApiClient, environment: EnvironmentItem, timeout: float) -> EnvironmentItem:
    """Returns the environment once it is ready. Raises if it ends in another state."""
    stale = 0
    for item in _poll(client, environment, timeout):
        if item is None:
            raise CliError(wording.environments.destroyed(environment.name), wording.environments.CLOSED_OR_UNLABELLED)
        if item.phase == "ready":
            return item
        if item.phase == "asleep" and item.failure and item.failure.at != _failed_at(environment):
            # It didn't wake up, and nothing tries again until someone asks for it.
            raise CliError(_failure_message(item), wording.environments.see_why_and_logs(item.name))
        if item.phase in FAILED_PHASES:
            stale += 1
            if _has_failed_again(item, environment) or stale > MAX_STALE_POLLS:
                raise CliError(
                    _failure_message(item),
                    wording.environments.see_why_and_logs(item.name),
                )
    raise _timeout_error(environment, timeout)


def watch(client: ApiClient, environment: EnvironmentItem, timeout: float) -> EnvironmentItem:
    """As ``until_ready``, without a request of the user before it: a failed environment has failed already."""
    for item in _poll(client, environment, timeout):
        if item is None:
            raise CliError(wording.environments.destroyed(environment.name), wording.environments.CLOSED_OR_UNLABELLED)
        if item.phase == "ready":
            return item
        if item.phase in FAILED_PHASES:
            raise CliError(_failure_message(item), wording.environments.see_why_and_logs(item.name))
    raise _timeout_error(environment, timeout)


def until_gone(client: ApiClient, environment: EnvironmentItem, timeout: float) -> None:
    for item in _poll(client, environment, timeout):
        if item is None or item.phase == "destroyed":
            return
        if item.phase == "held":
            raise CliError(_failure_message(item), item.command or wording.environments.run_why(item.name))
    raise _timeout_error(environment, timeout)


def _poll(client: ApiClient, environment: EnvironmentItem, timeout: float) -> Iterator[EnvironmentItem | None]:
    """Polls once a second and prints changes. Returns None if the environment doesn't exist."""
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

    end = time.monotonic() + timeout
    last_step = ""
    with _spinner(environment.name) as spinner:
        while time.monotonic() < end:
            try:
                item = EnvironmentItem.model_validate(client.get(f"environments/{path_segment(environment.ref)}"))
            except CliError as error:
                if error.is_temporary:  # such as before a server's first cycle
                    time.sleep(POLL_INTERVAL)
                    continue
                if error.code is not ExitCode.NOT_FOUND:
                    raise
                yield None
                return
            step = f"{item.phase}: {item.progress}" if item.progress else item.phase
            if step != last_step:
                last_step = step
                _print_step(spinner, f"{item.name} {step}")
            yield item
            time.sleep(POLL_INTERVAL)


def _spinner(name: str) -> AbstractContextManager[Status | None]:
    out = output.console(err=True)
    return out.status(output.clean(name)) if out.is_terminal else nullcontext()


def _print_step(spinner: Status | None, text: str) -> None:
    if spinner is None:
        output.print_note(text)
    else:
        spinner.update(output.clean(text))
        spinner.console.print(output.clean(text), style="dim")


def _has_failed_again(item: EnvironmentItem, before: EnvironmentItem) -> bool:
    """Since the request. The phase may still change because of a failure that was known before it."""
    if item.failure and before.failure:
        return item.failure.at != before.failure.at
    return _fingerprint(item) != _fingerprint(before)


def _fingerprint(item: EnvironmentItem) -> tuple[object, ...]:
    return (item.phase, item.since, _failed_at(item), item.problems)


def _failed_at(item: EnvironmentItem) -> datetime | None:
    return item.failure.at if item.failure else None


def _failure_message(item: EnvironmentItem) -> str:
    because = item.problems[0] if item.problems else item.failure.error if item.failure else ""
    if not because and item.reasons:
        because = item.reasons[0]
    return (
        wording.environments.phase_because(item.name, item.phase, because)
        if because
        else wording.environments.phase(item.name, item.phase)
    )


def _timeout_error(item: EnvironmentItem, timeout: float) -> CliError:
    return CliError(
        wording.environments.not_ready(item.name, output.format_span(timeout)),
        wording.environments.CONTINUES,
    )

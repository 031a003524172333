"""Waiting for an environment to arrive somewhere, telling each step on the way."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from orchestrator.cli import output
from orchestrator.cli.errors import CliError, Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

    from orchestrator.cli.client import Client
    from orchestrator.surfaces.api.schemas import Environment

INTERVAL = 1.0
PATIENCE = 8
"""Looks at which the state from before the request may still be shown: the loop has not come to it yet."""
BAD = frozenset({"failed", "stalled", "refused", "held", "expired", "destroyed"})


def until_ready(client: Client, before: Environment, timeout: float) -> Environment:
    """Returns the ready one; raises when it ends otherwise."""
    stale = 0
    for item in _looks(client, before, timeout):
        if item is None:
            raise CliError(f"{before.name} is gone", "its pull request is closed, or its label was taken away")
        if item.phase == "ready":
            return item
        if item.phase in BAD:
            stale += 1
            if _state(item) != _state(before) or stale > PATIENCE:
                raise CliError(_ended(item), f"`eph why {item.name}` and `eph logs {item.name} --operation` say more")
    raise _too_long(before, timeout)


def until_gone(client: Client, before: Environment, timeout: float) -> None:
    for item in _looks(client, before, timeout):
        if item is None or item.phase == "destroyed":
            return
        if item.phase == "held":
            raise CliError(_ended(item), item.command or f"`eph why {item.name}` says more")
    raise _too_long(before, timeout)


def _looks(client: Client, before: Environment, timeout: float) -> Iterator[Environment | None]:
    """One reading a second, told when it changed; None when there is no such environment."""
    from orchestrator.cli.client import segment
    from orchestrator.surfaces.api.schemas import Environment

    end = time.monotonic() + timeout
    told = ""
    with _spinner(before.name) as spinner:
        while time.monotonic() < end:
            try:
                item = Environment.model_validate(client.get(f"environments/{segment(before.ref)}"))
            except CliError as error:
                if error.code is not Code.NOT_FOUND:
                    raise
                yield None
                return
            step = f"{item.phase}: {item.progress}" if item.progress else item.phase
            if step != told:
                told = step
                _tell(spinner, f"{item.name} {step}")
            yield item
            time.sleep(INTERVAL)


def _spinner(name: str) -> AbstractContextManager[Status | None]:
    out = output.console(err=True)
    return out.status(output.clean(name)) if out.is_terminal else nullcontext()


def _tell(spinner: Status | None, text: str) -> None:
    if spinner is None:
        output.note(text)
    else:
        spinner.update(output.clean(text))
        spinner.console.print(output.clean(text), style="dim")


def _state(item: Environment) -> tuple[object, ...]:
    return (item.phase, item.since, item.failure.at if item.failure else None, item.problems)


def _ended(item: Environment) -> str:
    because = item.problems[0] if item.problems else item.failure.error if item.failure else ""
    if not because and item.reasons:
        because = item.reasons[0]
    return f"{item.name} is {item.phase}: {because}" if because else f"{item.name} is {item.phase}"


def _too_long(item: Environment, timeout: float) -> CliError:
    return CliError(
        f"{item.name} is not there after {output.span(timeout)}", "it goes on without you; `eph get` shows where it is"
    )

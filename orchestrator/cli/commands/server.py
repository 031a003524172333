"""``eph server``: pause, drain and resume the server, for example to update its machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas.environment_schemas import PauseState, StatusResponse

app = typer.Typer(help="Show, pause and resume the server.", no_args_is_help=True)

POLL_INTERVAL = 1.0
Reason = Annotated[str, typer.Option("--reason", help="Why; everyone who asks the server sees it.")]


@app.command()
def status(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Show whether the server is paused, and what it does.

    Examples:
        eph server status
        eph server status --output json
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        found = _status(client)
        if form is not OutputFormat.TABLE:
            output.print_data(found.model_dump(mode="json"), form)
            return
        output.print_line(wording.operator.server_version(client.described, found.version))
    looked = output.relative_time(found.last_cycle) or "never"
    output.print_line(wording.environments.status(found.environments, found.running, found.queued, looked))
    for note in found.notes:
        output.print_line(note)
    if found.pause is not None:
        output.print_line(wording.operator.drain_state(found.pause.remaining, found.pause.drained))


@app.command()
def pause(reason: Reason = "", form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Start nothing until `eph server resume`.

    Previews keep responding. Running operations continue to their end: `eph server drain` waits for them. The pause
    outlives restarts of the server. Meanwhile, requests such as `eph up` are refused.

    Examples:
        eph server pause
        eph server pause --reason 'kernel update'
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        _print_pause(_pause(client, reason), form)


@app.command()
def drain(
    reason: Reason = "",
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait.")] = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Pause the server and wait until nothing runs.

    Waits for operations and test suites. Exit status: 1 if something still runs after the timeout; the server stays
    paused.

    Examples:
        eph server drain --reason 'kernel update'
        eph server drain --timeout 10m
    """
    from orchestrator.cli.api_client import connect

    seconds = parse_seconds(timeout)
    with connect() as client:
        state = _pause(client, reason)
        shown, end = -1, time.monotonic() + seconds
        while not state.drained:
            if state.remaining != shown:
                shown = state.remaining
                output.print_note(wording.operator.drain_state(state.remaining, drained=False))
            if time.monotonic() >= end:
                raise CliError(
                    wording.operator.not_drained(state.remaining, output.format_span(seconds)),
                    wording.operator.STILL_PAUSED,
                )
            time.sleep(POLL_INTERVAL)
            found = _status(client).pause
            if found is None:
                raise CliError(wording.operator.RESUMED_MEANWHILE, wording.operator.DRAIN_AGAIN)
            state = found
    _print_pause(state, form)


@app.command()
def resume(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """End a pause.

    Everything that waited starts with the next cycle, within seconds.

    Examples:
        eph server resume
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        found = client.post("resume")
    if form is not OutputFormat.TABLE:
        output.print_data(found, form)
    else:
        output.print_line(wording.operator.RESUMED if found["was_paused"] else wording.operator.WAS_NOT_PAUSED)


def _status(client: ApiClient) -> StatusResponse:
    from orchestrator.surfaces.api.schemas.environment_schemas import StatusResponse

    return StatusResponse.model_validate(client.get("status"))


def _pause(client: ApiClient, reason: str) -> PauseState:
    from orchestrator.surfaces.api.schemas.environment_schemas import PauseState

    return PauseState.model_validate(client.post("pause", {"reason": reason}))


def _print_pause(state: PauseState, form: OutputFormat) -> None:
    if form is not OutputFormat.TABLE:
        output.print_data(state.model_dump(mode="json"), form)
        return
    output.print_line(state.message)
    output.print_line(wording.operator.drain_state(state.remaining, state.drained))

"""``eph logs``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from orchestrator.cli import environment_names, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.output import OutputFormat

app = typer.Typer()

MAX_LINES = 5000
DEFAULT_LINES = 100
"""Without --since, which shows all."""


@app.command()
def logs(
    name: environment_names.Name,
    service: Annotated[str | None, typer.Option("--service", "-s", help="Show only this service's log.")] = None,
    operation: Annotated[bool, typer.Option("--operation", help="Show Pulumi's log of the last operation.")] = False,
    suite: Annotated[str | None, typer.Option("--suite", help="Show a test suite's log instead.")] = None,
    previous: Annotated[bool, typer.Option("--previous", help="Show the log of the previous process.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stream new lines; stop with Ctrl-C.")] = False,
    since: Annotated[str | None, typer.Option("--since", help="Only of this last period: 10m, 2h, 1d.")] = None,
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", min=1, max=MAX_LINES, help="Number of lines to show; default: 100."),
    ] = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Show an environment's logs.

    Shows the output of the newest commit's steps (checkout, build, migrations …), followed by that of its services. To
    see the steps of an earlier commit, use eph steps.

    Examples:
        eph logs 42 --follow
        eph logs 42 --service web --lines 500
        eph logs 42 --since 10m --follow
        eph logs 42 --suite browser
    """
    from orchestrator.cli.api_client import connect, path_segment

    if follow and form is not OutputFormat.TABLE:
        raise CliError(wording.environments.FOLLOW_IS_PLAIN, "Omit --output.", ExitCode.USAGE)
    if suite and (follow or operation or service or previous):
        raise CliError(wording.environments.SUITE_ALONE, wording.environments.OMIT_OTHERS, ExitCode.USAGE)
    if previous and (follow or operation):
        raise CliError(wording.environments.PREVIOUS_HAS_EXITED, "Omit --follow and --operation.", ExitCode.USAGE)
    if since and (operation or suite or previous):
        raise CliError(wording.environments.SINCE_ALONE, wording.environments.OMIT_OR_SINCE, ExitCode.USAGE)
    after = datetime.now(UTC) - timedelta(seconds=parse_seconds(since)) if since else None
    with connect() as client:
        path = f"environments/{path_segment(environment_names.find(client, name).ref)}/logs"
        if follow:
            start = after.isoformat() if after else None
            return _follow(client.stream(f"{path}/stream", service=service, operation=operation, since=start))
        found = client.get(
            path,
            service=service,
            operation=operation,
            lines=MAX_LINES if since and lines is None else lines or DEFAULT_LINES,
            suite=suite,
            previous=previous,
            since=after.isoformat() if after else None,
        )
    return _print_lines(found, form)


def _follow(stream: Iterator[tuple[str, Any]]) -> None:
    for event, data in stream:
        if event == "line":
            output.print_line(data["line"])


def _print_lines(found: dict[str, Any], output_format: OutputFormat) -> None:
    if output_format is not OutputFormat.TABLE:
        output.print_data(found, output_format)
        return
    for line in found["lines"]:
        output.print_line(line)
    if not found["lines"]:
        output.print_note(wording.environments.NO_OUTPUT)

"""``eph logs``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from orchestrator.cli import environment_names, output
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

app = typer.Typer()


@app.command()
def logs(
    name: environment_names.Name,
    service: Annotated[str | None, typer.Option("--service", "-s", help="Only this service's lines.")] = None,
    operation: Annotated[bool, typer.Option("--operation", help="The last operation's lines instead.")] = False,
    suite: Annotated[str | None, typer.Option("--suite", help="A suite of tests' lines instead.")] = None,
    previous: Annotated[
        bool, typer.Option("--previous", help="What the process before the one that runs now printed.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come; end with Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=5000, help="How many of the last lines.")] = 100,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Prints an environment's log.

    What its services wrote, or its last operation or a suite of its tests did.
    """
    from orchestrator.cli.api_client import connect, path_segment

    if follow and form is not OutputFormat.TABLE:
        raise CliError("--follow prints lines as they come", "leave --output out", ExitCode.USAGE)
    if suite and (follow or operation or service or previous):
        raise CliError("--suite goes with --lines and --output only", "leave the others out", ExitCode.USAGE)
    if previous and (follow or operation):
        raise CliError(
            "--previous tells of a process that has ended", "leave --follow and --operation out", ExitCode.USAGE
        )
    with connect() as client:
        path = f"environments/{path_segment(environment_names.find(client, name).ref)}/logs"
        if follow:
            return _follow(client.stream(f"{path}/stream", service=service, operation=operation))
        found = client.get(path, service=service, operation=operation, lines=lines, suite=suite, previous=previous)
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
        output.print_note("nothing was printed yet")

"""``eph steps``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import data_output, environment_names, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.core.views.log_positions import LogPosition
    from orchestrator.surfaces.api.schemas.runtime_schemas import StepItem, Steps

app = typer.Typer()


@app.command()
def steps(
    name: environment_names.Name,
    commit: Annotated[str, typer.Option("--commit", "-c", help="Show this commit instead of the newest.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Also show this many last lines of each.")] = 0,
    line: Annotated[str, typer.Option("--line", help="Show the lines of this position, or of this link.")] = "",
    fields: data_output.FieldsOption = None,
    jq: data_output.JqOption = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the steps of a commit's build.

    Each with its result, its duration and its id: checkout, build, database, migrations, seed, start, health check.
    Line 45 of a step has the position ID:45, as in links to the dashboard.

    Examples:
        eph steps 42
        eph steps 42 --commit 3f2a91c --lines 20
        eph steps 42 --line 0a1b2c3d:45-60
        eph steps 42 --json step,state,seconds
    """
    from orchestrator.cli.api_client import connect, path_segment
    from orchestrator.surfaces.api.schemas.runtime_schemas import StepItem, Steps

    chosen = data_output.requested(form, fields, jq)
    position, linked_commit = _position(line) if line else (None, "")
    with connect() as client:
        path = f"environments/{path_segment(environment_names.find(client, name).ref)}/steps"
        found = Steps.model_validate(client.get(path, commit=commit.lower() or linked_commit or None))
    if chosen:
        data = found.model_dump(mode="json")
        chosen.print(data if chosen.fields is None else data["steps"], lambda: StepItem.model_fields)
    elif position is not None:
        _print_lines(found, position)
    else:
        _print_steps(found, lines)


def _position(text: str) -> tuple[LogPosition, str]:
    from orchestrator.core.views import log_positions

    try:
        return log_positions.of_link(text)
    except log_positions.InvalidPosition as error:
        hint = wording.environments.POSITION_FORM
        raise CliError(wording.environments.invalid_position(str(error)), hint, ExitCode.USAGE) from error


def _print_lines(found: Steps, position: LogPosition) -> None:
    from orchestrator.core.views import log_positions

    run = log_positions.find_run(found.steps, position.section)
    numbers = log_positions.numbers(position, len(run.lines)) if run else range(0)
    if run is None or not numbers:
        raise CliError(wording.environments.no_such_line(str(position)), wording.environments.LINES_KEPT)
    _print_numbered(run, numbers)


def _print_numbered(run: StepItem, numbers: range) -> None:
    output.print_line(_heading(run))
    for number in numbers:
        output.print_line(f"{number:>6}  {run.lines[number - 1]}")


def _print_steps(found: Steps, lines: int) -> None:
    for item in found.steps:
        count = len(item.lines)
        _print_numbered(item, range(max(count - lines, 0) + 1, count + 1))
    if not found.steps:
        output.print_note(wording.environments.NO_STEPS)
    if found.commits:
        kept = ", ".join(commit[:7] for commit in found.commits)
        output.print_note(wording.environments.commits_with_steps(found.commit[:7], kept))


def _heading(item: StepItem) -> str:
    seconds = f"{item.seconds:.1f} s" if item.seconds is not None else ""
    return f"{item.step:<24} {item.state:<12} {seconds:>9}  {item.id}".rstrip()

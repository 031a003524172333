"""``eph steps``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import environment_names, output, wording
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.surfaces.api.schemas import StepItem, Steps

app = typer.Typer()


@app.command()
def steps(
    name: environment_names.Name,
    commit: Annotated[str, typer.Option("--commit", "-c", help="Show this commit instead of the newest.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Also show this many last lines of each.")] = 0,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the steps of a commit's build.

    Each with its result and duration: checkout, build, database, migrations, seed, start, health check.
    """
    from orchestrator.cli.api_client import connect, path_segment
    from orchestrator.surfaces.api.schemas import Steps

    with connect() as client:
        path = f"environments/{path_segment(environment_names.find(client, name).ref)}/steps"
        found = Steps.model_validate(client.get(path, commit=commit.lower() or None))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
        return
    _print_steps(found, lines)


def _print_steps(found: Steps, lines: int) -> None:
    for item in found.steps:
        output.print_line(_heading(item))
        for line in item.lines[-lines:] if lines else ():
            output.print_line(f"    {line}")
    if not found.steps:
        output.print_note(wording.environments.NO_STEPS)
    if found.commits:
        kept = ", ".join(commit[:7] for commit in found.commits)
        output.print_note(wording.environments.commits_with_steps(found.commit[:7], kept))


def _heading(item: StepItem) -> str:
    seconds = f"{item.seconds:.1f} s" if item.seconds is not None else ""
    return f"{item.step:<24} {item.state:<12} {seconds:>9}".rstrip()

"""``eph steps``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import data_output, environment_names, output, wording
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.surfaces.api.schemas.runtime_schemas import StepItem, Steps

app = typer.Typer()


@app.command()
def steps(
    name: environment_names.Name,
    commit: Annotated[str, typer.Option("--commit", "-c", help="Show this commit instead of the newest.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Also show this many last lines of each.")] = 0,
    fields: data_output.FieldsOption = None,
    jq: data_output.JqOption = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Show the steps of a commit's build.

    Each with its result and duration: checkout, build, database, migrations, seed, start, health check.

    Examples:
        eph steps 42
        eph steps 42 --commit 3f2a91c --lines 20
        eph steps 42 --json step,state,seconds
    """
    from orchestrator.cli.api_client import connect, path_segment
    from orchestrator.surfaces.api.schemas.runtime_schemas import StepItem, Steps

    chosen = data_output.requested(form, fields, jq)

    with connect() as client:
        path = f"environments/{path_segment(environment_names.find(client, name).ref)}/steps"
        found = Steps.model_validate(client.get(path, commit=commit.lower() or None))
    if chosen:
        data = found.model_dump(mode="json")
        chosen.print(data if chosen.fields is None else data["steps"], lambda: StepItem.model_fields)
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

"""``eph sweep`` and ``approve``: acting on the service."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.output import Format

app = typer.Typer()


@app.command()
def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    form: output.Output = Format.TABLE,
) -> None:
    """Removes leftovers now.

    Stacks of pull requests that are closed, and what no stack accounts for.
    """
    from orchestrator.cli.client import connect
    from orchestrator.surfaces.api.schemas import Sweep

    with connect(timeout=300.0) as client:
        found = Sweep.model_validate(client.post("sweep", dry_run=dry_run))
    if form is not Format.TABLE:
        output.data(found.model_dump(mode="json"), form)
        return
    for sentence in found.found:
        output.say(sentence)
    if not found.found:
        output.say("nothing is left over")
    elif dry_run:
        output.note("nothing was removed; leave --dry-run out to do it")


@app.command()
def approve(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="The plan's digest, as `eph list` shows it.")],
    form: output.Output = Format.TABLE,
) -> None:
    """Lets a plan through that a guard holds.

    That very plan and no other.
    """
    from orchestrator.cli.client import connect, segment

    with connect() as client:
        found = client.post(f"plans/{segment(digest)}/approve")
    if form is not Format.TABLE:
        output.data(found, form)
    else:
        output.say(found["message"])

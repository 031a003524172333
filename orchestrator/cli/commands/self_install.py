"""``eph self-install``: shows and creates what a server needs at a target, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import extras, output
from orchestrator.cli.output import OutputFormat

app = typer.Typer()


@app.command("self-install")
def self_install(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Where environments will be created.")],
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the target. Repeatable.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would be changed, and change nothing.")] = False,
    destroy: Annotated[bool, typer.Option("--destroy", help="Delete what was created, except for backups.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where the record of what exists is kept. Default: Eph's home.")
    ] = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Create what a server needs at a target.

    Shows the resources, the permissions that Eph gets, and the monthly cost, and asks before it changes anything.
    Then prints the settings for eph.toml. Repeat it to update what exists. Keep the folder: without it, nothing can be
    updated or deleted by this command.

    Examples:
        eph self-install aws --set region=eu-central-1 --set domain=preview.example.com --preview
        eph self-install kubernetes --set values=values.yaml
        eph self-install aws --set region=eu-central-1 --set domain=preview.example.com --destroy
    """
    extras.require_server("eph self-install")
    from orchestrator.cli import self_installation

    subject = self_installation.prepare(target, values or [], folder)
    self_installation.run(subject, form, preview=preview, destroy=destroy, yes=yes)

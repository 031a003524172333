"""``eph target new``: the start of a target in its own distribution, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError

app = typer.Typer(help="Write targets for Eph.", no_args_is_help=True)


@app.callback()
def target() -> None:
    """Write targets for Eph."""


@app.command("new")
def new_target(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lowercase letters and digits, such as cloudrun.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write it. Default: eph-NAME in this folder.")
    ] = None,
) -> None:
    """Create a Python package with a new target.

    The package has settings, a section of eph.yaml, a Pulumi program and a test file that runs Eph's conformance
    suite. It works as it is: change it step by step, and keep the suite green. Existing files are never overwritten.

    Examples:
        eph target new cloudrun
        eph target new cloudrun --folder packages/cloudrun
    """
    from orchestrator.cli import target_scaffold

    target_scaffold.check_name(name)
    place = folder or Path(f"eph-{name}")
    try:
        written = target_scaffold.write(name, place)
    except OSError as error:
        raise CliError(f"{place}: {error.strerror}") from error
    for path in written:
        output.print_line(f"wrote {path}")
    output.print_note(wording.targets.next_steps(place))

"""``eph version`` and ``completion``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.cli_errors import CliError
from orchestrator.cli.output import OutputFormat

app = typer.Typer()


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def version(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Show the versions of client and server.

    Examples:
        eph version
    """
    from importlib import metadata

    from orchestrator.cli.api_client import connect

    found = {"client": metadata.version("eph"), "server": ""}
    try:
        with connect(timeout=3.0) as client:
            found["server"] = str(client.get("status")["version"])
    except CliError as error:
        output.print_note(f"server: {error.message}")
    if form is not OutputFormat.TABLE:
        output.print_data(found, form)
        return
    output.print_pairs([("eph", found["client"]), ("server", found["server"])])


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="The shell to generate the script for.")]) -> None:
    """Print a shell completion script.

    For bash, add the first example to ~/.bashrc. It also completes environment names.

    Examples:
        eval "$(eph completion bash)"
        eph completion fish > ~/.config/fish/completions/eph.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # typer exports it unsaid

    typer.echo(get_completion_script(prog_name="eph", complete_var="_EPH_COMPLETE", shell=shell.value))

"""The entry point: all commands under one name, and every error as a sentence, a hint and an exit code."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from orchestrator.cli import output
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands import (
    agents,
    auth,
    costs,
    deploy,
    doctor,
    environment_actions,
    environment_queries,
    logs,
    maintenance,
    project,
    run_commands,
    share,
    shell,
    steps,
    webhook,
)


class EphGroup(TyperGroup):
    """Keeps the order below, and ends every failure in the one way."""

    def list_commands(self, _: Any) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            output.print_error(error)
            raise typer.Exit(error.code) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(ExitCode.INTERRUPTED) from error


app = typer.Typer(
    cls=EphGroup,
    name="eph",
    help="Manage preview environments: one for each labelled pull request.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    environment_queries,
    logs,
    steps,
    environment_actions,
    run_commands,
    deploy,
    agents,
    costs,
    maintenance,
    project,
    doctor,
    shell,
):
    app.add_typer(group.app)
app.add_typer(auth.app, name="auth")
app.add_typer(costs.prices_app, name="prices")
app.add_typer(share.app, name="share")
app.add_typer(webhook.app, name="webhook")

DEMO_MODULE = "orchestrator.demo"
if importlib.util.find_spec(DEMO_MODULE) is not None:

    @app.command(
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    )
    def demo(ctx: typer.Context) -> None:
        """Run a complete Eph on this machine with a sample shop."""
        os.execv(sys.executable, [sys.executable, "-m", DEMO_MODULE, *ctx.args])  # noqa: S606 - our own module, no shell


def _print_version(requested: bool) -> None:
    if requested:
        from importlib import metadata

        typer.echo(metadata.version("eph"))
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print this client's version."),
    ] = False,
) -> None:
    return


def main() -> None:
    if "_EPH_COMPLETE" in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]  # typer exports it unsaid

        completion_init()
    app(prog_name="eph")


if __name__ == "__main__":
    main()

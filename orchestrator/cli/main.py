"""The entry point: all commands under one name, and every error as a sentence, a hint and an exit code."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Annotated

import typer

from orchestrator.cli import help_pages
from orchestrator.cli.commands import (
    agents,
    auth,
    caches,
    context,
    costs,
    db,
    deploy,
    doctor,
    env,
    environment_actions,
    environment_list,
    environment_queries,
    events,
    logs,
    maintenance,
    project,
    run_commands,
    self_install,
    server,
    setup,
    share,
    shell,
    steps,
    target,
    webhook,
    wtf,
)

app = typer.Typer(
    cls=help_pages.EphGroup,
    name="eph",
    help="Manage preview environments: one for each labelled pull request.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    environment_list,
    environment_queries,
    logs,
    steps,
    events,
    environment_actions,
    run_commands,
    deploy,
    agents,
    costs,
    maintenance,
    project,
    setup,
    self_install,
    doctor,
    wtf,
    shell,
):
    app.add_typer(group.app)
app.add_typer(auth.app, name="auth")
app.add_typer(costs.prices_app, name="prices")
app.add_typer(caches.app, name="cache")
app.add_typer(context.app, name="context")
app.add_typer(db.app, name="db")
app.add_typer(env.app, name="env")
app.add_typer(server.app, name="server")
app.add_typer(share.app, name="share")
app.add_typer(target.app, name="target")
app.add_typer(webhook.app, name="webhook")

DEMO_MODULE = "orchestrator.demo"
if importlib.util.find_spec(DEMO_MODULE) is not None:

    @app.command(
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    )
    def demo(ctx: typer.Context) -> None:
        """Run a complete Eph on this machine with a sample shop.

        Examples:
            eph demo
            eph demo --repo .
        """
        from orchestrator.cli import extras

        extras.require_server("eph demo")
        os.execv(sys.executable, [sys.executable, "-m", DEMO_MODULE, *ctx.args])  # noqa: S606 - our own module, no shell


help_pages.apply_to(app)


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

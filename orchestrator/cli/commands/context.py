"""``eph context``: which server the other commands use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import authorities, contexts, credentials, output, wording
from orchestrator.cli.cli_errors import CliError
from orchestrator.cli.contexts import ChosenServer, KnownServer
from orchestrator.cli.output import OutputFormat

app = typer.Typer(help="Choose the server that commands use.", invoke_without_command=True)

CaFile = Annotated[
    Path | None,
    typer.Option("--ca-file", help="Trust this certificate authority for the server, from now on. A file in PEM."),
]
HEADINGS = ("", "NAME", "URL", "SIGNED IN")


def complete(incomplete: str) -> list[str]:
    return [each.name for each in contexts.known() if each.name.startswith(incomplete)]


@app.callback(invoke_without_command=True)
def context(ctx: typer.Context, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """List the servers, or choose one.

    A star marks the server that commands use: that of EPH_URL, or else the context, the ephd on this machine, the
    server of the latest sign-in, or a demo on this machine.

    Examples:
        eph context
        eph context use eph.example.com
    """
    if ctx.invoked_subcommand is None:
        list_contexts(form)


def list_contexts(form: OutputFormat) -> None:
    chosen = _chosen()
    servers = contexts.known()
    if chosen and all(each.url != chosen.url for each in servers):
        servers.insert(0, chosen.server)
    if form is not OutputFormat.TABLE:
        output.print_data([_data(each, chosen) for each in servers], form)
        return
    if not servers:
        output.print_note(wording.server.NO_CONTEXTS)
        return
    output.print_table(HEADINGS, [_row(each, chosen) for each in servers], ("NAME", "", "URL", "SIGNED IN"))
    if chosen:
        output.print_note(wording.server.uses(chosen.described()))


@app.command("use")
def use_context(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|URL", help="A name from `eph context`, or the URL of a server.", autocompletion=complete
        ),
    ],
    ca_file: CaFile = None,
) -> None:
    """Use this server from now on.

    Examples:
        eph context use eph.example.com
        eph context use https://eph.example.com
        eph context use https://eph.internal:8081 --ca-file company-ca.pem
        eph context use ephd
    """
    if ca_file is not None:
        authorities.store(contexts.find(name).url, ca_file)
    server = contexts.use(name)
    output.print_line(wording.server.context_used(server.url))
    if os.environ.get("EPH_URL"):
        output.print_note(wording.server.URL_OVERRIDES)
    if not _is_signed_in(server):
        output.print_note(wording.server.not_signed_in_there(server.url))


@app.command("clear")
def clear_context() -> None:
    """Use no particular server from now on.

    Examples:
        eph context clear
    """
    contexts.clear()
    output.print_line(wording.server.CONTEXT_CLEARED)


def _chosen() -> ChosenServer | None:
    """None also if the context names a server that isn't running; the list is how to repair that."""
    try:
        return contexts.default()
    except CliError as error:
        output.print_note(f"{error.message}. {error.hint}")
        return None


def _is_signed_in(server: KnownServer) -> bool:
    return bool(credentials.token_for(server.url)) or server.token_file is not None


def _row(server: KnownServer, chosen: ChosenServer | None) -> tuple[str, ...]:
    used = chosen is not None and chosen.url == server.url
    return "*" if used else "", server.name, server.url, "yes" if _is_signed_in(server) else "no"


def _data(server: KnownServer, chosen: ChosenServer | None) -> dict[str, object]:
    used = chosen is not None and chosen.url == server.url
    return {
        "name": server.name,
        "url": server.url,
        "used": used,
        "because": chosen.origin.value if used and chosen else "",
        "signed_in": _is_signed_in(server),
    }

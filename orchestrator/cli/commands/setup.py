"""``eph setup``: creates Eph's account at the Git host and configures Eph for it, without a server."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import parse_seconds

app = typer.Typer()


@app.command()
def setup(
    forge: Annotated[str, typer.Argument(metavar="[GIT_HOST]", help="Its kind, as in eph.toml.")] = "",
    organisation: Annotated[
        str, typer.Option("--organisation", help="The organisation that owns the App. Default: yourself.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Its name, which people see; unique there.")] = "",
    url: Annotated[
        str, typer.Option("--url", help="Eph's own URL, if the Git host can reach it; turns webhooks on.")
    ] = "",
    repository: Annotated[
        list[str] | None, typer.Option("--repository", help="Serve only this one: owner/name. Repeatable.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write eph.toml and the key. Default: Eph's home.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port of the local page.")] = 0,
    host: Annotated[str, typer.Option("--host", help="The URL of a Git host that you run yourself.")] = "",
    api: Annotated[
        str, typer.Option("--api", help="The URL of its API. Default: the one that belongs to --host.")
    ] = "",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait.")] = "30m",
) -> None:
    """Create Eph's App at the Git host and write the settings for it.

    Opens a page that leads to the Git host, where you confirm the App with its permissions. Then writes the private
    key, the webhook secret and the table [forge] of eph.toml, readable only by you. Existing files are never
    overwritten.

    Examples:
        eph setup --organisation acme
        eph setup --organisation acme --url https://eph.example.com --repository acme/shop
    """
    from orchestrator.config.settings.settings_fields import default_home
    from orchestrator.forges import registry
    from orchestrator.forges.app_setup import SetupFailed, SetupRequest

    def show(page: str, at: int) -> None:
        output.print_line(wording.setup.open_page(page))
        if not browser or not webbrowser.open(page):
            output.print_note(wording.setup.forward_port(at))
        output.print_note(wording.setup.WAITING)

    chosen = forge or registry.DEFAULT
    place = (folder or default_home()).expanduser().absolute()
    seconds = parse_seconds(timeout)
    request = SetupRequest(place, organisation, name, url, host, api, tuple(repository or ()), port, seconds)
    try:
        set_up = registry.get(chosen).set_up
        if set_up is None:
            raise CliError(wording.setup.no_setup(chosen), wording.setup.SET_FORGE, ExitCode.USAGE)
        result = set_up(request, show)
    except registry.UnknownForge as error:
        raise CliError(str(error), code=ExitCode.USAGE) from error
    except SetupFailed as error:
        raise CliError(error.message, error.hint, ExitCode.USAGE if error.usage else ExitCode.REFUSED) from error
    for path in result.files:
        output.print_line(wording.setup.wrote(path))
    for line in result.lines:
        output.print_line(line)

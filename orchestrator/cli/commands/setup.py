"""``eph setup github``: creates the GitHub App and configures Eph for it, without a server."""

from __future__ import annotations

import re
import webbrowser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import parse_seconds

if TYPE_CHECKING:
    from orchestrator.cli.github_app.manifest import AppRequest

app = typer.Typer(help="Connect Eph to a Git host.", no_args_is_help=True)

_ORGANISATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")


@app.callback()
def setup() -> None:
    """Connect Eph to a Git host."""


@app.command("github")
def setup_github(
    organisation: Annotated[
        str, typer.Option("--organisation", help="The organisation that owns the App. Default: yourself.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Its name, which people see; unique on GitHub.")] = "",
    url: Annotated[str, typer.Option("--url", help="Eph's own URL, if GitHub can reach it; turns webhooks on.")] = "",
    repository: Annotated[
        list[str] | None, typer.Option("--repository", help="Serve only this one: owner/name. Repeatable.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write eph.toml and the key. Default: Eph's home.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port of the local page.")] = 0,
    github: Annotated[str, typer.Option("--github", help="The URL of GitHub.")] = "https://github.com",
    api: Annotated[
        str, typer.Option("--api", help="The URL of its API. Default: the one that belongs to --github.")
    ] = "",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait for GitHub.")] = "30m",
) -> None:
    """Create a GitHub App and write the settings for it.

    Opens a page that leads to GitHub, where you confirm the App with its permissions. Then writes the private key, the
    webhook secret and the table [forge] of eph.toml, readable only by you. Existing files are never overwritten.

    Examples:
        eph setup github --organisation acme
        eph setup github --organisation acme --url https://eph.example.com --repository acme/shop
    """
    from orchestrator.cli.github_app import manifest
    from orchestrator.cli.github_app.app_files import AppFiles
    from orchestrator.cli.github_app.conversion import convert
    from orchestrator.config.settings.settings_fields import default_home

    if organisation and not _ORGANISATION.fullmatch(organisation):
        raise CliError(wording.setup.not_an_organisation(organisation), code=ExitCode.USAGE)
    github, url = _web_url("--github", github), _web_url("--url", url) if url else ""
    request = manifest.AppRequest(
        name or f"{organisation or 'my'}-previews", organisation, url, github, _api_url(github, api)
    )
    files = AppFiles((folder or default_home()).expanduser().absolute())
    files.check()
    created = convert(request.api_url, _confirmed(request, port, browser, parse_seconds(timeout)))
    forge: dict[str, str | tuple[str, ...]] = {}
    if request.api_url != "https://api.github.com":
        forge["url"] = request.api_url
    if request.webhook_url:
        forge["webhook_url"] = request.webhook_url
    chosen = tuple(repository or ())
    forge |= {"repositories": chosen} if chosen else {"organisations": (created.owner,)}
    for path in files.write(created, forge):
        output.print_line(f"wrote {path}")
    output.print_line(wording.setup.created(created.slug))
    output.print_line(wording.setup.install(created.install_url))
    output.print_note(
        wording.setup.serves_repositories(", ".join(chosen)) if chosen else wording.setup.serves(created.owner)
    )


def _confirmed(request: AppRequest, port: int, browser: bool, seconds: float) -> str:
    """The code that GitHub returns after the person confirmed the App."""
    from orchestrator.cli.github_app import manifest
    from orchestrator.cli.github_app.callback_server import CallbackServer

    try:
        server = CallbackServer(port, request.new_app_url, partial(manifest.build, request))
    except OSError as error:
        raise CliError(wording.setup.port_taken(port, error.strerror or ""), wording.setup.FREE_PORT) from error
    with server:
        output.print_line(wording.setup.open_page(server.url))
        if not browser or not webbrowser.open(server.url):
            output.print_note(wording.setup.forward_port(server.server_address[1]))
        output.print_note(wording.setup.WAITING)
        code = server.wait(seconds)
    if not code:
        raise CliError(wording.setup.not_created(output.format_span(seconds)), wording.setup.OPEN_AGAIN)
    return code


def _web_url(option: str, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise CliError(wording.setup.not_a_url(option, value), wording.setup.USE_HTTP_URL, ExitCode.USAGE)
    return value.rstrip("/")


def _api_url(github: str, api: str) -> str:
    """GitHub Enterprise Server has its API below the same host."""
    if api:
        return _web_url("--api", api)
    return "https://api.github.com" if github == "https://github.com" else f"{github}/api/v3"

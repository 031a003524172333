"""``eph share``: links that open one preview without an account."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.surfaces.api.schemas.auth_schemas import ShareLinkItem

app = typer.Typer(help="Share a protected preview with people without an account.", no_args_is_help=True)

HEADINGS = ("ID", "ENVIRONMENT", "PASSWORD", "CREATED BY", "EXPIRES")
PRIORITY = ("ID", "ENVIRONMENT", "EXPIRES", "CREATED BY", "PASSWORD")


@app.command("create")
def create_link(
    name: Annotated[str, typer.Argument(help="The environment: its name or owner/repo#42.")],
    expires: Annotated[str, typer.Option(help="How long it is valid, at most 30d: 2h, 7d.")] = "24h",
    password: Annotated[
        bool, typer.Option("--password", help="Require a password: prompts for it, or reads standard input.")
    ] = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Create a share link and print it.

    It is printed once and can't be shown again.

    Examples:
        eph share create 42
        eph share create 42 --expires 7d --password
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.auth_schemas import CreatedShareLink

    body = {"environment": name, "seconds": parse_seconds(expires), "password": _password() if password else ""}
    with connect() as client:
        created = CreatedShareLink.model_validate(client.post("share-links", body))
    if form is not OutputFormat.TABLE:
        output.print_data(created.model_dump(mode="json"), form)
        return
    output.print_line(created.url)
    until = output.relative_time(created.link.expires_at)
    output.print_note(wording.server.link_created(created.link.id, created.link.environment, until))


@app.command("list")
def list_links(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only links for this environment.")] = "",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """List valid share links.

    Examples:
        eph share list
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.auth_schemas import ShareLinkList

    with connect() as client:
        parameters = {"environment": name} if name else {}
        found = ShareLinkList.model_validate(client.get("share-links", **parameters))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json")["items"], form)
    elif found.items:
        output.print_table(HEADINGS, [_row(item) for item in found.items], PRIORITY)
    else:
        output.print_line(wording.server.NO_LINKS)


@app.command("revoke")
def revoke_link(
    link: Annotated[str, typer.Argument(metavar="ID", help="The link's ID from `eph share list`.")],
) -> None:
    """Revoke a share link. Takes effect at once.

    Examples:
        eph share revoke 4f2a91c0
    """
    from orchestrator.cli.api_client import connect, path_segment

    with connect() as client:
        found = client.delete(f"share-links/{path_segment(link)}")
    output.print_line(wording.server.link_revoked(link, found["environment"]))


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def _row(item: ShareLinkItem) -> tuple[str, ...]:
    protection = "yes" if item.has_password else "no"
    return item.id, item.environment, protection, item.created_by, output.relative_time(item.expires_at)

"""``eph auth``: sign in, and manage tokens."""

from __future__ import annotations

import platform
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import authorities, contexts, credentials, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.context import CaFile
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas.auth_schemas import CreatedToken, DeviceCodes, TokenItem, WhoAmI

app = typer.Typer(help="Sign in, and manage tokens.", no_args_is_help=True)
token_app = typer.Typer(help="Create, list and revoke tokens.", no_args_is_help=True)
app.add_typer(token_app, name="token")

HEADINGS = ("ID", "OWNER", "KIND", "LABEL", "ROLE", "REPOSITORIES", "MAX DEPLOYS", "EXPIRES")
PRIORITY = ("ID", "OWNER", "ROLE", "EXPIRES", "KIND", "LABEL", "REPOSITORIES", "MAX DEPLOYS")


@app.command()
def login(
    url: Annotated[str, typer.Argument(metavar="[URL]", help="The server's URL. Default: the one in use.")] = "",
    with_token: Annotated[
        bool, typer.Option("--with-token", help="Read a token from standard input instead of using a browser.")
    ] = False,
    ca_file: CaFile = None,
) -> None:
    """Sign in to a server.

    Shows a code to confirm in a browser that is signed in to the dashboard. Stores a token of yours, valid for 30
    days, in a file that only you can read.

    Examples:
        eph auth login https://eph.example.com
        eph auth login https://eph.example.com --with-token < token.txt
        eph auth login https://eph.internal:8081 --ca-file company-ca.pem
    """
    from orchestrator.cli.api_client import ApiClient

    server = _server_url(url)
    if ca_file is not None:
        authorities.store(server, ca_file)
    token = sys.stdin.readline().strip() if with_token else ""
    if not with_token:
        with ApiClient(server, "") as client:
            token = _login_in_browser(client).secret
    with ApiClient(server, token) as client:
        me = _whoami(client)
    stored = credentials.store(server, token)
    output.print_line(wording.server.signed_in(server, me.name, me.role))
    output.print_note(wording.server.token_stored(stored))
    used = contexts.default()
    if used is not None and used.url != server:
        output.print_note(wording.server.other_server_used(used.described()))


@app.command()
def logout(
    url: Annotated[str, typer.Argument(metavar="[URL]", help="The server's URL. Default: the one in use.")] = "",
) -> None:
    """Revoke the stored token and delete it.

    Examples:
        eph auth logout
        eph auth logout https://eph.example.com
    """
    from orchestrator.cli.api_client import ApiClient

    server = _server_url(url)
    token = credentials.token_for(server)
    if not token:
        raise CliError(wording.server.not_signed_in(server), wording.server.SIGN_IN)
    try:
        with ApiClient(server, token) as client:
            client.delete(f"tokens/{_whoami(client).token}")
    except CliError as error:
        if error.code not in (ExitCode.UNAUTHORISED, ExitCode.NOT_FOUND):
            raise
    credentials.remove(server)
    output.print_line(wording.server.signed_out(server))


@app.command()
def status(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Show who you are to the server.

    Examples:
        eph auth status
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        me, server = _whoami(client), client.url
    if form is not OutputFormat.TABLE:
        output.print_data(me.model_dump(mode="json"), form)
        return
    output.print_pairs(
        [
            ("server", server),
            ("name", me.name),
            ("role", me.role),
            ("repositories", ", ".join(me.repositories) or "all"),
            ("deploys", wording.server.at_most(me.max_deploys)),
            ("token", me.token),
            ("expires", output.relative_time(me.expires_at)),
        ]
    )


@token_app.command("create")
def create_token(
    service: Annotated[str, typer.Option(help="The service that the token is for. Default: yourself.")] = "",
    role: Annotated[str, typer.Option(help="viewer, developer or admin; at most your own.")] = "viewer",
    repository: Annotated[
        list[str] | None,
        typer.Option("--repository", "-r", help="Restrict it to this repository, owner/name or owner/*; repeatable."),
    ] = None,
    expires: Annotated[str, typer.Option(help="How long it is valid: 24h, 30d.")] = "30d",
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    max_deploys: Annotated[
        int,
        typer.Option(
            "--max-deploys",
            metavar="N",
            min=0,
            help="Refuse a new label deploy while its owner has N of them. Default: no limit.",
            show_default=False,
        ),
    ] = 0,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Create a token and print it.

    It is printed once and can't be shown again.

    Examples:
        eph auth token create --label laptop --expires 7d
        eph auth token create --service ci --role developer --repository acme/shop
        eph auth token create --service agent --role developer --max-deploys 3
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.auth_schemas import CreatedToken

    body = {
        "service": service,
        "role": role,
        "repositories": repository or [],
        "seconds": parse_seconds(expires),
        "label": label,
        "max_deploys": max_deploys,
    }
    with connect() as client:
        made = CreatedToken.model_validate(client.post("tokens", body))
    if form is not OutputFormat.TABLE:
        output.print_data(made.model_dump(mode="json"), form)
        return
    output.print_line(made.secret)
    until = output.relative_time(made.token.expires_at)
    output.print_note(wording.server.token_created(made.token.id, made.token.owner, made.token.role, until))


@token_app.command("list")
def list_tokens(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """List your tokens and browser sessions; admins see everyone's.

    Examples:
        eph auth token list
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.auth_schemas import TokenList

    with connect() as client:
        found = TokenList.model_validate(client.get("tokens"))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json")["items"], form)
    elif found.items:
        output.print_table(HEADINGS, [_row(item) for item in found.items], PRIORITY)
    else:
        output.print_line("no tokens")


@token_app.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="[ID]", help="The token's ID from `eph auth token list`.")] = "",
    owner: Annotated[str, typer.Option(help="Revoke everything of this person or service instead.")] = "",
) -> None:
    """Revoke a token or a browser session. Takes effect at once.

    Examples:
        eph auth token revoke 4f2a91c0
        eph auth token revoke --owner ci
    """
    from orchestrator.cli.api_client import connect, path_segment

    if bool(token) == bool(owner):
        raise CliError(wording.server.TOKEN_OR_OWNER, wording.server.LIST_TOKENS, ExitCode.USAGE)
    with connect() as client:
        for item in [token] if token else _tokens_of(client, owner):
            found = client.delete(f"tokens/{path_segment(item)}")
            output.print_line(wording.server.token_revoked(item, found["owner"]))


def _tokens_of(client: ApiClient, owner: str) -> list[str]:
    from orchestrator.surfaces.api.schemas.auth_schemas import TokenList

    found = [item.id for item in TokenList.model_validate(client.get("tokens")).items if item.owner == owner]
    if not found:
        raise CliError(wording.server.no_tokens(owner), wording.server.LIST_TOKENS, ExitCode.NOT_FOUND)
    return found


def _row(item: TokenItem) -> tuple[str, ...]:
    expires = output.relative_time(item.expires_at)
    repositories = ", ".join(item.repositories) or "all"
    deploys = str(item.max_deploys or "")
    return item.id, item.owner, item.kind, item.label, item.role, repositories, deploys, expires


def _server_url(url: str) -> str:
    found = None if url else contexts.default()
    if not url and found is None:
        raise CliError(wording.server.NO_SERVER_GIVEN, wording.server.SIGN_IN_AT_URL, ExitCode.USAGE)
    return (found.url if found else url).rstrip("/")


def _whoami(client: ApiClient) -> WhoAmI:
    from orchestrator.surfaces.api.schemas.auth_schemas import WhoAmI

    return WhoAmI.model_validate(client.get("whoami"))


def _login_in_browser(client: ApiClient) -> CreatedToken:
    from orchestrator.surfaces.api.schemas.auth_schemas import DeviceCodes, DeviceResult

    codes = DeviceCodes.model_validate(client.post("auth/device", {"label": platform.node()[:100]}))
    _print_codes(codes)
    end = time.monotonic() + codes.expires_in
    while time.monotonic() < end:
        time.sleep(codes.interval)
        result = DeviceResult.model_validate(client.post("auth/device/token", {"device_code": codes.device_code}))
        if result.token is not None:
            return result.token
    raise CliError(wording.server.SIGN_IN_EXPIRED, wording.server.SIGN_IN_AGAIN, ExitCode.UNAUTHORISED)


def _print_codes(codes: DeviceCodes) -> None:
    output.print_note(wording.server.enter_code(codes.verification_url, codes.user_code))

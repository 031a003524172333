"""Finds one environment from what a person types: its name, a prefix of it, ``owner/repo#42``, ``42``, or its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from orchestrator.cli import wording
from orchestrator.cli.cli_errors import CliError, ExitCode

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem


def complete(incomplete: str) -> list[str]:
    """For shell completion: names with this prefix. Silent if the server isn't reachable."""
    from orchestrator.cli.api_client import connect

    try:
        with connect(timeout=1.0, quiet=True) as client:
            names = [str(item.get("name", "")) for item in client.environment_data(limit=500)]
            return [name for name in names if name.startswith(incomplete)]
    except CliError:
        return []


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The environment: its name or a unique prefix, owner/repo#42, 42, or its URL.",
        autocompletion=complete,
        show_default=False,
    ),
]


def find(client: ApiClient, typed: str, missing_hint: str = "") -> EnvironmentItem:
    """The matching environment, or an error that lists the candidates. ``missing_hint``: what to do if there is
    none."""
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

    wanted = _host_label(typed)
    if not wanted:
        raise CliError(wording.environments.NAME_EMPTY, wording.environments.LIST_NAMES, ExitCode.USAGE)
    try:
        return EnvironmentItem.model_validate(client.get(f"environments/{path_segment(wanted)}"))
    except CliError as error:
        if error.code is not ExitCode.NOT_FOUND:
            raise
        missing = CliError(error.message, missing_hint or error.hint, error.code, error.server)
        return _match_abbreviation(client.environments(), wanted, missing)


def _match_abbreviation(environments: list[EnvironmentItem], query: str, not_found: CliError) -> EnvironmentItem:
    number = query.removeprefix("#")
    found = [
        item
        for item in environments
        if item.name.startswith(query) or (number.isdecimal() and item.number == int(number))
    ]
    if len(found) > 1:
        names = ", ".join(sorted(item.name for item in found)[:5])
        raise CliError(
            wording.environments.ambiguous(query, len(found)),
            wording.environments.choose_one(names),
            ExitCode.NOT_FOUND,
        )
    if not found:
        raise not_found
    return found[0]


def _host_label(typed: str) -> str:
    if not typed.startswith(("http://", "https://")):
        return typed.strip()
    return (urlsplit(typed).hostname or "").partition(".")[0]

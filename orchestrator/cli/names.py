"""From what a person types to one environment: its name, the start of it, ``owner/repo#42``, ``42``, its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from orchestrator.cli.errors import CliError, Code

if TYPE_CHECKING:
    from orchestrator.cli.client import Client
    from orchestrator.surfaces.api.schemas import Environment


def complete(incomplete: str) -> list[str]:
    """For the shell: names that begin so. Silent when the server is not there."""
    from orchestrator.cli.client import connect

    try:
        with connect(timeout=1.0) as client:
            return [item.name for item in client.environments() if item.name.startswith(incomplete)]
    except CliError:
        return []


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Its name or the unique start of it, owner/repo#42, 42, or its URL.",
        autocompletion=complete,
        show_default=False,
    ),
]


def find(client: Client, typed: str, else_do: str = "") -> Environment:
    """The one environment that is meant; else an error that lists what could be meant. ``else_do``: what to do when
    there is none."""
    from orchestrator.cli.client import segment
    from orchestrator.surfaces.api.schemas import Environment

    wanted = _host_label(typed)
    if not wanted:
        raise CliError("the name is empty", "`eph list` shows the names", Code.USAGE)
    try:
        return Environment.model_validate(client.get(f"environments/{segment(wanted)}"))
    except CliError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        missing = CliError(error.message, else_do or error.hint, error.code)
        return _abbreviated(client.environments(), wanted, missing)


def _abbreviated(environments: list[Environment], wanted: str, missing: CliError) -> Environment:
    number = wanted.removeprefix("#")
    found = [
        item
        for item in environments
        if item.name.startswith(wanted) or (number.isdecimal() and item.number == int(number))
    ]
    if len(found) > 1:
        names = ", ".join(sorted(item.name for item in found)[:5])
        raise CliError(f"{wanted!r} could be {len(found)} environments", f"which one: {names}?", Code.NOT_FOUND)
    if not found:
        raise missing
    return found[0]


def _host_label(typed: str) -> str:
    if not typed.startswith(("http://", "https://")):
        return typed.strip()
    return (urlsplit(typed).hostname or "").partition(".")[0]

"""``eph cache``: what builds keep for the next ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import confirm
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.surfaces.api.schemas.environment_schemas import BuildCacheList

app = typer.Typer(help="List and clear build caches.", no_args_is_help=True)

HEADINGS = ("REPOSITORY", "TARGET", "SIZE", "LAST USED")


@app.command("list")
def list_caches(form: output.OutputOption = OutputFormat.TABLE) -> None:
    """List the build caches of the server.

    Examples:
        eph cache list
        eph cache list --output json
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.environment_schemas import BuildCacheList

    with connect() as client:
        found = BuildCacheList.model_validate(client.get("build-caches"))
    _print(found, form, wording.operator.NO_CACHES)


@app.command()
def clear(
    repository: Annotated[str, typer.Argument(metavar="[REPOSITORY]", help="As owner/repo, or its ID.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="The caches of all repositories.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")] = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Clear the build cache of a repository.

    Its next builds download and compile everything again. Running environments aren't affected.

    Examples:
        eph cache clear acme/shop
        eph cache clear --all
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas.environment_schemas import BuildCacheList

    if bool(repository) == everything:
        raise CliError(wording.operator.CACHE_NEEDED, wording.operator.NAME_CACHE, ExitCode.USAGE)
    confirm(wording.operator.clear_cache_question(repository), yes)
    with connect() as client:
        found = BuildCacheList.model_validate(client.delete("build-caches", repository=repository, all=everything))
    _print(found, form, wording.operator.NO_CACHES)
    if form is OutputFormat.TABLE and found.items:
        output.print_note(wording.operator.CACHES_CLEARED)


def _print(found: BuildCacheList, form: OutputFormat, nothing: str) -> None:
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
    elif found.items:
        rows = [
            (
                item.repository or item.repository_id,
                item.target,
                output.format_size(item.size),
                output.relative_time(item.used_at),
            )
            for item in found.items
        ]
        output.print_table(HEADINGS, rows)
    else:
        output.print_line(nothing)

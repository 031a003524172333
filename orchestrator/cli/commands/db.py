"""``eph db``: databases of an environment."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import environment_names, output, wording
from orchestrator.cli.commands.environment_actions import Yes, confirm
from orchestrator.cli.output import OutputFormat

app = typer.Typer(help="Reset the databases of an environment.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Reset the databases of an environment.

    To open a database, use `eph psql`.

    Examples:
        eph db reset 42
    """


@app.command()
def reset(
    name: environment_names.Name,
    database: Annotated[
        str, typer.Argument(metavar="[DATABASE]", help="Its name in eph.yaml; default: the only one.")
    ] = "",
    yes: Yes = False,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Delete all data of a database, then seed and migrate it again.

    The environment keeps its URL and everything else.

    Examples:
        eph db reset 42
        eph db reset acme/shop#42 main --yes
    """
    from orchestrator.cli.api_client import connect, path_segment

    with connect() as client:
        before = environment_names.find(client, name)
        confirm(wording.environments.reset_question(before.name, database, client.host), yes)
        found = client.post(f"environments/{path_segment(before.ref)}/databases/reset", {"database": database})
    if form is not OutputFormat.TABLE:
        output.print_data({**found, "name": before.name}, form)
    else:
        output.print_line(wording.environments.resetting(before.name, found["database"]))

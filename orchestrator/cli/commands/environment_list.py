"""``eph list`` and ``eph watch``: all environments, once or live, and one until it is ready."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from time import sleep as pause
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import data_output, environment_names, environment_rows, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.environment_rows import EnvironmentRow
from orchestrator.cli.output import ListFormat, OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient

app = typer.Typer()

WATCH_INTERVAL = 2.0
PAGE = 500


@app.command("list")
def list_(
    repository: Annotated[
        str | None, typer.Option("--repository", "-r", help="Show only environments of this repository, as owner/repo.")
    ] = None,
    phase: Annotated[
        list[str] | None, typer.Option("--phase", "-p", help="Show only environments in this phase.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh the list until Ctrl-C.")] = False,
    fields: data_output.FieldsOption = None,
    jq: data_output.JqOption = None,
    form: output.ListOption = ListFormat.TABLE,
) -> None:
    """List environments.

    Shows each environment's phase, and why it waits or failed.

    Examples:
        eph list
        eph list --repository acme/shop --phase failed
        eph list --watch
        eph list --output wide
        eph list --json name,url,phase
        eph list --jq '.[] | select(.phase == "ready") | .url'
    """
    from orchestrator.cli.api_client import connect

    chosen, wide = data_output.requested(form.data_format or OutputFormat.TABLE, fields, jq), form is ListFormat.WIDE
    if watch and chosen:
        raise CliError(wording.environments.WATCH_IS_A_TABLE, wording.environments.OMIT_WATCH, ExitCode.USAGE)
    query = {"repository": repository, "phase": phase}
    with connect() as client:
        if watch:
            _watch(client, query, wide=wide)
        found = _fetch(client, query)
        if chosen:
            chosen.print(found, _fields)
        else:
            _print(client, found, filtered=bool(repository or phase), wide=wide)


def _fields() -> list[str]:
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

    return list(EnvironmentItem.model_fields)


def _fetch(client: ApiClient, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A held plan comes first: nothing happens until a person acts."""
    return sorted(client.environment_data(limit=PAGE, **query), key=lambda item: item.get("phase") != "held")


def _watch(client: ApiClient, query: Mapping[str, Any], *, wide: bool) -> None:
    """Redraws on a terminal; elsewhere it prints each state once more when it has changed."""
    screen, shown = output.console(), None
    while True:
        found = _fetch(client, query)
        if screen.is_terminal:
            screen.clear()
        if screen.is_terminal or found != shown:
            _print(client, found, filtered=bool(query["repository"] or query["phase"]), wide=wide)
        shown = found
        pause(WATCH_INTERVAL)


def _print(client: ApiClient, found: list[dict[str, Any]], *, filtered: bool, wide: bool) -> None:
    status = client.get("status")
    try:
        rows = [environment_rows.parse(item) for item in found]
        footer = list(_footer(client, status, rows, filtered=filtered))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise client.not_an_eph_server() from error
    if rows:
        more = environment_rows.WIDE_HEADINGS if wide else ()
        cells = [row.wide_cells() if wide else row.cells() for row in rows]
        headings, priority = (*environment_rows.HEADINGS, *more), (*environment_rows.COLUMN_PRIORITY, *more)
        output.print_table(headings, cells, priority, own_line="URL")
        if sys.stderr.isatty():
            output.print_note("")
    for line in footer:
        output.print_note(line)


def _footer(
    client: ApiClient, status: Mapping[str, Any], rows: list[EnvironmentRow], *, filtered: bool
) -> Iterator[str]:
    """A summary below the table. It goes to stderr, so that a pipe gets only the rows."""
    if not rows:
        yield f"no environments{' match' if filtered else ' yet'}{'' if filtered else wording.environments.ADD_LABEL}"
    looked = output.relative_time(environment_rows.parse_time(status["last_cycle"])) or "never"
    yield wording.environments.status(status["environments"], status["running"], status["queued"], looked)
    yield wording.environments.server(client.described)
    for row in rows:
        if row.headline:
            yield f"{row.name}: {row.headline}"
    yield from status["notes"]


@app.command()
def watch(
    name: environment_names.Name,
    timeout: Annotated[str, typer.Option("--timeout", help="How long to watch.")] = "30m",
) -> None:
    """Watch an environment until it is ready or fails.

    Prints each step and then the URL. Exit status: 1 if it fails, expires, or isn't ready in time; 130 after Ctrl-C,
    which only ends the watching.

    Examples:
        eph watch 42
        eph watch shop-gentle-stream-k7wq-42 --timeout 10m
        eph watch acme/shop#42
    """
    from orchestrator.cli import polling
    from orchestrator.cli.api_client import connect

    longest = parse_seconds(timeout)
    with connect() as client:
        item = polling.watch(client, environment_names.find(client, name), longest)
    output.print_line(item.url or wording.environments.ready(item.name))

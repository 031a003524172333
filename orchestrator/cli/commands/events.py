"""``eph events``: what happened, from the event log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import data_output, environment_names, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.commands.environment_actions import parse_seconds
from orchestrator.cli.data_output import DataOutput
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas.environment_schemas import EventItem

app = typer.Typer()

HEADINGS = ("WHEN", "KIND", "ENVIRONMENT", "BY", "MESSAGE")
PRIORITY = ("WHEN", "KIND", "MESSAGE", "ENVIRONMENT", "BY")
MAX_EVENTS = 1000
"""The API's limit for one page."""


@app.command()
def events(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="Only events of this environment; also of a destroyed one, by its stack.",
            autocompletion=environment_names.complete,
            show_default=False,
        ),
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new events until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option("--since", help="Only events of this last period: 30m, 2h, 3d.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=MAX_EVENTS, help="How many of the last.")] = 50,
    fields: data_output.FieldsOption = None,
    jq: data_output.JqOption = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what happened.

    Shows the event log, newest last: of one environment, or of all.

    Examples:
        eph events
        eph events 42 --since 2h
        eph events --follow
        eph events 42 --json at,kind,message
    """
    from orchestrator.cli.api_client import connect

    chosen = data_output.requested(form, fields, jq)
    if follow and chosen:
        raise CliError(wording.environments.FOLLOW_IS_PLAIN, wording.environments.OMIT_FORMATS, ExitCode.USAGE)
    start = datetime.now(UTC) - timedelta(seconds=parse_seconds(since)) if since else None
    with connect() as client:
        subject = _subject(client, name) if name else ""
        found = _fetch(client, subject, MAX_EVENTS if start else lines)
        shown = [item for item in found if start is None or item.at >= start]
        if start and shown and len(found) == len(shown) == MAX_EVENTS:
            output.print_note(wording.environments.more_events(MAX_EVENTS))
        if follow:
            _follow(client, subject, shown, found[-1].id if found else 0)
        else:
            _print(shown, chosen)


def _subject(client: ApiClient, name: str) -> str:
    """A destroyed environment can't be found, but its events remain under its stack."""
    try:
        return environment_names.find(client, name).ref
    except CliError as error:
        if error.code is ExitCode.NOT_FOUND and "/" in name and "#" not in name:
            return name
        raise


def _fetch(client: ApiClient, subject: str, count: int) -> list[EventItem]:
    from orchestrator.surfaces.api.schemas.environment_schemas import EventPage

    page = client.get("events", environment=subject or None, limit=count, newest=True)
    return EventPage.model_validate(page).items


def _print(found: list[EventItem], chosen: DataOutput | None) -> None:
    from orchestrator.surfaces.api.schemas.environment_schemas import EventItem

    if chosen:
        chosen.print([item.model_dump(mode="json") for item in found], lambda: EventItem.model_fields)
    elif found:
        output.print_table(HEADINGS, [_row(item) for item in found], PRIORITY, own_line="MESSAGE")
    else:
        output.print_note(wording.environments.NO_EVENTS)


def _follow(client: ApiClient, subject: str, shown: list[EventItem], after: int) -> None:
    from orchestrator.surfaces.api.schemas.environment_schemas import EventItem

    for item in shown:
        output.print_line(_line(item))
    for event, data in client.stream("events/stream", environment=subject or None, after=after):
        if event == "event":
            output.print_line(_line(EventItem.model_validate(data)))


def _row(item: EventItem) -> tuple[Any, ...]:
    return output.relative_time(item.at), item.kind, item.subject, item.actor, item.message


def _line(item: EventItem) -> str:
    at = item.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return "  ".join(part for part in (at, item.kind, item.subject, item.message) if part)

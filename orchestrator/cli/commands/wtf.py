"""``eph wtf``: one page with what is wrong and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import environment_names, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.cli.diagnosis import DiagnosisFinding
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem, EventItem

app = typer.Typer()

RECENT_EVENTS = 200
SHOWN_EVENTS = 8
TAIL = 10


@app.command()
def wtf(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="Only this environment, with its last lines of output and its latest events.",
            autocompletion=environment_names.complete,
            show_default=False,
        ),
    ] = "",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Find out what is wrong and what to do next.

    Looks at environments, plans on hold, reading errors, rate limits, versions, and this machine if the server runs
    here. Exit status: 1 if there is a problem.

    Examples:
        eph wtf
        eph wtf 42
    """
    from orchestrator.cli import diagnosis
    from orchestrator.cli.api_client import connect

    try:
        with connect(timeout=15.0) as client:
            environment = environment_names.find(client, name) if name else None
            found = list(_of_environment(client, environment) if environment else _of_service(client))
            described, is_local = client.described, client.is_local
            history = _events(client, environment.ref) if environment else []
    except CliError as error:
        if error.code is not ExitCode.UNREACHABLE:
            raise
        unreachable = diagnosis.DiagnosisFinding(diagnosis.FindingLevel.PROBLEM, "server", error.message, error.hint)
        found, described, is_local, environment, history = [unreachable], "", True, None, []
    if is_local and not environment:
        found += _of_machine()
    problems = [each for each in found if each.level is diagnosis.FindingLevel.PROBLEM]
    if form is not OutputFormat.TABLE:
        output.print_data([asdict(each) for each in found], form)
    else:
        _print(found, described)
        if environment:
            _print_environment(environment, history)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def _of_service(client: ApiClient) -> Iterator[DiagnosisFinding]:
    from importlib import metadata

    from orchestrator.cli import diagnosis
    from orchestrator.surfaces.api.schemas.environment_schemas import StatusResponse

    now = datetime.now(UTC)
    yield from diagnosis.of_environments(client.environments(limit=500), now)
    yield from diagnosis.of_status(StatusResponse.model_validate(client.get("status")), metadata.version("eph"), now)
    yield from diagnosis.of_events(_events(client, ""), now)


def _of_environment(client: ApiClient, environment: EnvironmentItem) -> Iterator[DiagnosisFinding]:
    from orchestrator.cli import diagnosis, runtime_info_view

    now = datetime.now(UTC)
    runtime, unknown = runtime_info_view.fetch(client, environment.ref)
    yield from diagnosis.of_environments([environment], now)
    yield from diagnosis.of_runtime(environment.name, runtime)
    if unknown:
        yield diagnosis.DiagnosisFinding(diagnosis.FindingLevel.WARNING, environment.name, unknown)


def _of_machine() -> Iterator[DiagnosisFinding]:
    from orchestrator.cli import diagnosis
    from orchestrator.cli.commands import doctor

    levels = {
        doctor.CheckStatus.FAIL: diagnosis.FindingLevel.PROBLEM,
        doctor.CheckStatus.WARN: diagnosis.FindingLevel.WARNING,
    }
    for check in doctor.check_machine():
        if check.verdict in levels:
            yield diagnosis.DiagnosisFinding(levels[check.verdict], check.name, check.found, check.todo)


def _events(client: ApiClient, subject: str) -> list[EventItem]:
    from orchestrator.surfaces.api.schemas.environment_schemas import EventPage

    page = client.get("events", environment=subject or None, limit=RECENT_EVENTS, newest=True)
    return EventPage.model_validate(page).items


def _print(found: list[DiagnosisFinding], described: str) -> None:
    from orchestrator.cli import diagnosis

    styles = {diagnosis.FindingLevel.PROBLEM: "bold red", diagnosis.FindingLevel.WARNING: "yellow"}
    # Problems come first, otherwise in the order in which they were found.
    for each in sorted(found, key=lambda each: each.level is not diagnosis.FindingLevel.PROBLEM):
        title = output.link(f"{each.level} ", "")
        title.stylize(styles[each.level])
        output.console().print(title.append_text(output.link(f"{each.about}: {each.what}", "")), soft_wrap=True)
        if each.todo:
            output.print_line(f"  {wording.diagnosis.TODO}{each.todo}")
    problems = sum(each.level is diagnosis.FindingLevel.PROBLEM for each in found)
    if found:
        output.print_note(wording.diagnosis.summary(problems, len(found) - problems))
    else:
        output.print_line(wording.diagnosis.NOTHING_WRONG)
    if described:
        output.print_note(wording.environments.server(described))


def _print_environment(environment: EnvironmentItem, history: list[EventItem]) -> None:
    if environment.failure and environment.failure.tail:
        output.print_line(wording.environments.LAST_LINES)
        for line in environment.failure.tail[-TAIL:]:
            output.print_line(f"  {line}")
    if history:
        output.print_line(wording.environments.LATEST_EVENTS)
        for item in history[-SHOWN_EVENTS:]:
            output.print_line(f"  {output.relative_time(item.at):<14} {item.kind}: {item.message}")

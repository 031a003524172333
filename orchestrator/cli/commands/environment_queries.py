"""``eph list``, ``get``, ``why``, ``open``: read-only commands."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import environment_names, output, runtime_info_view, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import ListFormat, OutputFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from orchestrator.surfaces.api.schemas import EnvironmentItem, StatusResponse

app = typer.Typer()

HEADINGS = ("NAME", "PHASE", "URL", "PULL REQUEST", "COMMIT", "EXPIRES")
WIDE_HEADINGS = ("TARGET", "AUTHOR", "PER DAY", "SPENT")
COLUMN_PRIORITY = ("NAME", "PHASE", "URL", "PULL REQUEST", "EXPIRES", "COMMIT")


@app.command("list")
def list_(
    repository: Annotated[
        str | None, typer.Option("--repository", "-r", help="Show only environments of this repository, as owner/repo.")
    ] = None,
    phase: Annotated[
        list[str] | None, typer.Option("--phase", "-p", help="Show only environments in this phase.")
    ] = None,
    form: output.ListOption = ListFormat.TABLE,
) -> None:
    """List environments.

    Shows each environment's phase, and why it waits or failed.
    """
    from orchestrator.cli.api_client import connect
    from orchestrator.surfaces.api.schemas import StatusResponse

    with connect() as client:
        # A held plan comes first: nothing happens until a person acts.
        found = sorted(
            client.environments(repository=repository, phase=phase, limit=500), key=lambda item: item.phase != "held"
        )
        status = StatusResponse.model_validate(client.get("status"))
    if form.data_format is not None:
        output.print_data([item.model_dump(mode="json") for item in found], form.data_format)
        return
    if found and form is ListFormat.WIDE:
        rows = [[*_row(item), *_wide_columns(item)] for item in found]
        output.print_table((*HEADINGS, *WIDE_HEADINGS), rows, (*COLUMN_PRIORITY, *WIDE_HEADINGS))
    elif found:
        output.print_table(HEADINGS, [_row(item) for item in found], COLUMN_PRIORITY)
    _print_footer(status, found, filtered=bool(repository or phase))


def _row(item: EnvironmentItem) -> list[str | Text]:
    return [
        output.link(item.name or item.ref, item.url),
        output.styled_phase(_phase(item)),
        item.url,
        output.link(_source_label(item), item.pull_url),
        (item.commit or item.wanted_commit)[:7],
        output.relative_time(item.expires_at).removeprefix("in "),
    ]


def _wide_columns(item: EnvironmentItem) -> list[str]:
    money, cost = wording.costs.money, item.cost
    return [item.target, item.author, money(cost.awake_daily) if cost else "", money(cost.spent) if cost else ""]


def _phase(item: EnvironmentItem) -> str:
    return f"{item.phase} ({item.queue_position})" if item.queue_position is not None else item.phase


def _source_label(item: EnvironmentItem) -> str:
    if item.ref_name:
        return f"{item.repository}@{item.ref_name}"
    return f"{item.repository}#{item.number}" if item.number is not None else item.repository


def _print_footer(status: StatusResponse, found: list[EnvironmentItem], *, filtered: bool) -> None:
    """A summary below the table. It goes to stderr, so that a pipe gets only the rows."""
    if not found:
        hint = "" if filtered else wording.environments.ADD_LABEL
        output.print_note(f"no environments{' match' if filtered else ' yet'}{hint}")
    elif sys.stderr.isatty():
        output.print_note("")
    looked = output.relative_time(status.last_cycle) or "never"
    output.print_note(wording.environments.status(status.environments, status.running, status.queued, looked))
    for item in found:
        if item.phase not in ("ready", "asleep") and (first := _headline(item)):
            output.print_note(f"{item.name or item.ref}: {first}")
    for sentence in status.notes:
        output.print_note(sentence)


def _headline(item: EnvironmentItem) -> str:
    if item.command:
        return wording.environments.to_continue(item.reasons[0] if item.reasons else item.phase, item.command)
    if item.problems:
        return item.problems[0]
    if item.failure:
        return item.failure.error
    return item.progress or (item.reasons[0] if item.reasons else "")


@app.command()
def get(name: environment_names.Name, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Show an environment.

    Includes its pods or processes and their latest events.
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        item = environment_names.find(client, name)
        found, silence = runtime_info_view.fetch(client, item.ref)
    if form is not OutputFormat.TABLE:
        output.print_data({**item.model_dump(mode="json"), **found.model_dump(mode="json")}, form)
        return
    output.print_pairs(_details(item))
    runtime_info_view.print_info(found, silence)
    if item.failure and item.failure.tail:
        output.print_line(wording.environments.LAST_LINES)
        for line in item.failure.tail:
            output.print_line(f"  {line}")


def _details(item: EnvironmentItem) -> Iterator[tuple[str, str | Text]]:
    yield "name", item.name
    yield "phase", output.styled_phase(_phase(item)).append(f"  {output.relative_time(item.since)}", style="dim")
    yield "url", output.link(item.url, item.url)
    for service, url in sorted(item.urls.items()):
        if url != item.url:
            yield wording.environments.service_url(service), output.link(url, url)
    yield "pull request", output.link(_source_label(item), item.pull_url).append(f"  {output.clean(item.title)}")
    yield "branch", item.branch
    yield "author", item.author
    yield "live commit", item.commit[:12]
    yield "newest commit", item.wanted_commit[:12] if item.wanted_commit != item.commit else ""
    yield "expires", output.relative_time(item.expires_at)
    yield "asleep", output.relative_time(item.asleep_since)
    yield "wakes", output.relative_time(item.wakes_at)
    yield "sleeps", output.relative_time(item.sleeps_at)
    yield "last visit", output.relative_time(item.used_at)
    yield "sleep rules", "; ".join(item.rules)
    yield "now", item.progress
    for suite in item.tests:
        took = wording.environments.in_seconds(suite.seconds) if suite.state in ("passed", "failed") else ""
        yield f"tests {suite.name}", f"{suite.state}{took}{f': {suite.detail}' if suite.detail else ''}"
    yield "repaired", item.repaired.removeprefix("repaired at ")
    for problem in item.problems:
        yield "problem", problem
    if item.failure:
        yield "failed", f"{item.failure.step}: {item.failure.error}"
        yield "attempts", _attempts(item)
    if item.cost is not None:
        cost = item.cost
        yield "cost", wording.costs.estimate(cost.awake_hourly, cost.asleep_hourly, cost.awake_daily)
        yield "spent", wording.costs.so_far(cost.spent, cost.total_saved)
    yield "stack", item.ref
    yield "target", item.target
    yield "to continue", item.command


def _attempts(item: EnvironmentItem) -> str:
    if item.failure is None:
        return ""
    following = output.relative_time(item.failure.next_try)
    return wording.environments.attempts(item.failure.tries, following) if following else str(item.failure.tries)


@app.command()
def why(name: environment_names.Name, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Explain an environment's state.

    Gives the reasons and the facts behind them.
    """
    from orchestrator.cli.api_client import connect, path_segment
    from orchestrator.surfaces.api.schemas import Why

    with connect() as client:
        item = environment_names.find(client, name)
        found = Why.model_validate(client.get(f"environments/{path_segment(item.ref)}/why"))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
        return
    output.console().print(output.link(f"{found.name} is ", "").append(output.styled_phase(found.phase)))
    for sentence in found.sentences:
        output.print_prose(sentence)
    output.print_line("")
    output.print_pairs((fact.name, fact.value) for fact in found.facts)


@app.command("open")
def open_(name: environment_names.Name) -> None:
    """Open an environment's URL.

    Opens it in the browser, or prints it if there is no browser.
    """
    from orchestrator.cli.api_client import connect

    with connect() as client:
        item = environment_names.find(client, name)
    if not item.url.startswith(("http://", "https://")):
        raise CliError(
            wording.environments.no_url(item.name, item.phase),
            wording.environments.see_why(item.name),
            ExitCode.REFUSED,
        )
    if not _open_browser(item.url):
        output.print_line(item.url)


def _open_browser(url: str) -> bool:
    shown = sys.platform != "linux" or any(os.environ.get(key) for key in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not shown:
        return False
    import webbrowser

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False

"""``eph get``, ``why``, ``open``: read-only commands."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from orchestrator.cli import data_output, environment_names, environment_rows, output, runtime_info_view, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

app = typer.Typer()


@app.command()
def get(
    name: environment_names.Name,
    fields: data_output.FieldsOption = None,
    jq: data_output.JqOption = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Show an environment.

    Includes its pods or processes and their latest events.

    Examples:
        eph get 42
        eph get acme/shop#42 --output yaml
        eph get 42 --json phase,url,expires_at
        eph get 42 --jq .url
    """
    from orchestrator.cli.api_client import connect

    chosen = data_output.requested(form, fields, jq)
    with connect() as client:
        item = environment_names.find(client, name)
        found, silence = runtime_info_view.fetch(client, item.ref)
    if chosen:
        data = {**item.model_dump(mode="json"), **found.model_dump(mode="json")}
        chosen.print(data, lambda: data)
        return
    output.print_pairs(_details(item))
    runtime_info_view.print_info(found, silence)
    if item.failure and item.failure.tail:
        output.print_line(wording.environments.LAST_LINES)
        for line in item.failure.tail:
            output.print_line(f"  {line}")


def _details(item: EnvironmentItem) -> Iterator[tuple[str, str | Text]]:
    yield "name", item.name
    yield (
        "phase",
        output.styled_phase(environment_rows.phase_label(item.phase, item.queue_position)).append(
            f"  {output.relative_time(item.since)}", style="dim"
        ),
    )
    yield "url", output.link(item.url, item.url)
    for service, url in sorted(item.urls.items()):
        if url != item.url:
            yield wording.environments.service_url(service), output.link(url, url)
    for item_link in item.links:
        yield output.clean(item_link.name), output.link(item_link.url, item_link.url)
    yield (
        "pull request",
        output.link(environment_rows.source_of(item), item.pull_url).append(f"  {output.clean(item.title)}"),
    )
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
    for notice in item.notices:
        yield "notice", notice
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

    Examples:
        eph why 42
        eph why shop-gentle-stream-k7wq-42 --output json
    """
    from orchestrator.cli.api_client import connect, path_segment
    from orchestrator.surfaces.api.schemas.environment_schemas import Why

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

    Examples:
        eph open 42
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

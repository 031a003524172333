"""``eph list``, ``get``, ``why``, ``open``: reading."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import inside, names, output
from orchestrator.cli.errors import CliError, Code
from orchestrator.cli.output import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from orchestrator.surfaces.api.schemas import Environment, Status

app = typer.Typer()

HEADINGS = ("NAME", "PHASE", "URL", "PULL REQUEST", "COMMIT", "EXPIRES")
KEEP = ("NAME", "PHASE", "URL", "PULL REQUEST", "EXPIRES", "COMMIT")


@app.command("list")
def list_(
    repository: Annotated[str | None, typer.Option("--repository", "-r", help="Only those of owner/repo.")] = None,
    phase: Annotated[list[str] | None, typer.Option("--phase", "-p", help="Only those in this phase.")] = None,
    form: output.Output = Format.TABLE,
) -> None:
    """Lists environments.

    What is there, what is on its way, what waits, and why.
    """
    from orchestrator.cli.client import connect
    from orchestrator.surfaces.api.schemas import Status

    with connect() as client:
        # What is held comes first: nothing happens to it until a person acts.
        found = sorted(
            client.environments(repository=repository, phase=phase, limit=500), key=lambda item: item.phase != "held"
        )
        status = Status.model_validate(client.get("status"))
    if form is not Format.TABLE:
        output.data([item.model_dump(mode="json") for item in found], form)
        return
    if found:
        output.table(HEADINGS, [_row(item) for item in found], KEEP)
    _under(status, found, filtered=bool(repository or phase))


def _row(item: Environment) -> list[str | Text]:
    return [
        output.link(item.name or item.ref, item.url),
        output.phase(_phase(item)),
        item.url,
        output.link(_pull(item), item.pull_url),
        (item.commit or item.wanted_commit)[:7],
        output.when(item.expires_at).removeprefix("in "),
    ]


def _phase(item: Environment) -> str:
    return f"{item.phase} ({item.queue_position})" if item.queue_position is not None else item.phase


def _pull(item: Environment) -> str:
    if item.ref_name:
        return f"{item.repository}@{item.ref_name}"
    return f"{item.repository}#{item.number}" if item.number is not None else item.repository


def _under(status: Status, found: list[Environment], *, filtered: bool) -> None:
    """What belongs to the table but is no data: on the other stream, so that a pipe gets rows only."""
    if not found:
        hint = "" if filtered else "; put the trigger label on a pull request that has an eph.yaml"
        output.note(f"no environments{' match' if filtered else ' yet'}{hint}")
    elif sys.stderr.isatty():
        output.note("")
    looked = output.when(status.last_cycle) or "not yet"
    output.note(
        f"{status.environments} in all, {status.running} being worked on, {status.queued} queued; last look {looked}"
    )
    for item in found:
        if item.phase not in ("ready", "asleep") and (first := _headline(item)):
            output.note(f"{item.name or item.ref}: {first}")
    for sentence in status.notes:
        output.note(sentence)


def _headline(item: Environment) -> str:
    if item.command:
        return f"{item.reasons[0] if item.reasons else item.phase} To go on: {item.command}"
    if item.problems:
        return item.problems[0]
    if item.failure:
        return item.failure.error
    return item.progress or (item.reasons[0] if item.reasons else "")


@app.command()
def get(name: names.Name, form: output.Output = Format.TABLE) -> None:
    """Shows one environment.

    With its pods or processes, and what happened to them last.
    """
    from orchestrator.cli.client import connect

    with connect() as client:
        item = names.find(client, name)
        found, silence = inside.look(client, item.ref)
    if form is not Format.TABLE:
        output.data({**item.model_dump(mode="json"), **found.model_dump(mode="json")}, form)
        return
    output.pairs(_details(item))
    inside.show(found, silence)
    if item.failure and item.failure.tail:
        output.say("\nThe last lines:")
        for line in item.failure.tail:
            output.say(f"  {line}")


def _details(item: Environment) -> Iterator[tuple[str, str | Text]]:
    yield "name", item.name
    yield "phase", output.phase(_phase(item)).append(f"  {output.when(item.since)}", style="dim")
    yield "url", output.link(item.url, item.url)
    for service, url in sorted(item.urls.items()):
        if url != item.url:
            yield f"url of {service}", output.link(url, url)
    yield "pull request", output.link(_pull(item), item.pull_url).append(f"  {output.clean(item.title)}")
    yield "branch", item.branch
    yield "author", item.author
    yield "runs", item.commit[:12]
    yield "wanted", item.wanted_commit[:12] if item.wanted_commit != item.commit else ""
    yield "expires", output.when(item.expires_at)
    yield "asleep", output.when(item.asleep_since)
    yield "wakes", output.when(item.wakes_at)
    yield "sleeps", output.when(item.sleeps_at)
    yield "last visit", output.when(item.used_at)
    yield "hours", "; ".join(item.rules)
    yield "now", item.progress
    for suite in item.tests:
        took = f" in {suite.seconds:.1f} s" if suite.state in ("passed", "failed") else ""
        yield f"tests {suite.name}", f"{suite.state}{took}{f': {suite.detail}' if suite.detail else ''}"
    yield "repaired", item.repaired.removeprefix("repaired at ")
    for problem in item.problems:
        yield "problem", problem
    if item.failure:
        yield "failed", f"{item.failure.step}: {item.failure.error}"
        yield "tries", _tries(item)
    yield "stack", item.ref
    yield "target", item.target
    yield "to go on", item.command


def _tries(item: Environment) -> str:
    if item.failure is None:
        return ""
    following = output.when(item.failure.next_try)
    return f"{item.failure.tries}, next {following}" if following else str(item.failure.tries)


@app.command()
def why(name: names.Name, form: output.Output = Format.TABLE) -> None:
    """Says why an environment is as it is.

    In sentences, with the facts that they rest on.
    """
    from orchestrator.cli.client import connect, segment
    from orchestrator.surfaces.api.schemas import Why

    with connect() as client:
        item = names.find(client, name)
        found = Why.model_validate(client.get(f"environments/{segment(item.ref)}/why"))
    if form is not Format.TABLE:
        output.data(found.model_dump(mode="json"), form)
        return
    output.console().print(output.link(f"{found.name} is ", "").append(output.phase(found.phase)))
    for sentence in found.sentences:
        output.prose(sentence)
    output.say("")
    output.pairs((fact.name, fact.value) for fact in found.facts)


@app.command("open")
def open_(name: names.Name) -> None:
    """Opens an environment's URL.

    In the browser; prints it where there is none.
    """
    from orchestrator.cli.client import connect

    with connect() as client:
        item = names.find(client, name)
    if not item.url.startswith(("http://", "https://")):
        raise CliError(f"{item.name} has no URL: it is {item.phase}", f"`eph why {item.name}` says why", Code.REFUSED)
    if not _browse(item.url):
        output.say(item.url)


def _browse(url: str) -> bool:
    shown = sys.platform != "linux" or any(os.environ.get(key) for key in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if not shown:
        return False
    import webbrowser

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False

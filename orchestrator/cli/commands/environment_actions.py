"""``eph up``, ``down``, ``extend``, ``keep``, ``sleep``, ``wake``: acting on one environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import environment_names, output, polling
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:  # a command imports what it needs when it runs, so that help is quick
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas import EnvironmentItem

app = typer.Typer()

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Stay until it is done, and tell each step.")]
Timeout = Annotated[str, typer.Option("--timeout", help="With --wait: the longest to stay.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


GONE_HINT = (
    "one that expired or was taken down is gone, label and all: put the label on its pull request again, or comment "
    "`/eph up` there; `eph list` shows what there is"
)


@app.command()
def up(
    name: environment_names.Name,
    wait: Wait = False,
    timeout: Timeout = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Tries again now.

    A failed, stalled or waiting environment, instead of at its next turn.
    """
    from orchestrator.cli.api_client import connect

    longest = parse_seconds(timeout)
    with connect() as client:
        before = environment_names.find(client, name, GONE_HINT)
        item = _post_action(client, before, "up")
        if wait:
            item = polling.until_ready(client, before, longest)
    asked = f"{item.name}: asked; it is {item.phase}. `eph up {item.name} --wait` stays until it is ready."
    _print_result(item, form, (item.url or f"{item.name} is ready") if wait else asked)


@app.command()
def down(
    name: environment_names.Name,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Destroys an environment.

    Takes the trigger label off its pull request; its database goes with it.
    """
    from orchestrator.cli.api_client import connect

    longest = parse_seconds(timeout)
    with connect() as client:
        before = environment_names.find(client, name)
        confirm(f"Destroy {before.name} and its database?", yes)
        item = _post_action(client, before, "down")
        if wait:
            polling.until_gone(client, before, longest)
    _print_result(item, form, f"{before.name} is gone" if wait else f"{before.name}: being destroyed", gone=wait)


@app.command()
def extend(
    name: environment_names.Name,
    length: Annotated[str, typer.Argument(metavar="LENGTH", help="How much longer: 24h, 3d, 1h30m.")],
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Lets an environment live longer.

    As far as the server's policy goes.
    """
    body = {"seconds": parse_seconds(length)}
    _act(name, "extend", form, lambda item: f"expires {output.relative_time(item.expires_at) or 'never'}", body)


@app.command()
def keep(name: environment_names.Name, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Stops an environment's clock.

    It stays until its pull request is closed or loses the label.
    """
    _act(name, "keep", form, lambda _: "does not expire")


@app.command()
def unkeep(name: environment_names.Name, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Lets an environment's clock run again."""
    _act(name, "unkeep", form, lambda _: "expires again when its time is up")


@app.command()
def sleep(name: environment_names.Name, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Puts an environment to sleep.

    What runs of it is stopped; its data, its URL and its time stay. A visit wakes it.
    """
    _act(name, "sleep", form, lambda item: f"falls asleep; `eph wake {item.name}` or a visit wakes it")


@app.command()
def wake(
    name: environment_names.Name,
    wait: Wait = False,
    timeout: Timeout = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Wakes an environment that sleeps.

    One that is awake stays so for a while, whatever its hours say.
    """
    from orchestrator.cli.api_client import connect

    longest = parse_seconds(timeout)
    with connect() as client:
        before = environment_names.find(client, name)
        item = _post_action(client, before, "wake")
        if wait:
            item = polling.until_ready(client, before, longest)
    _print_result(item, form, f"{item.name} is ready" if wait else f"{item.name}: being woken")


def _act(
    name: str,
    action: str,
    output_format: OutputFormat,
    describe: Callable[[EnvironmentItem], str],
    body: Mapping[str, Any] | None = None,
) -> None:
    """A verb that nobody waits for. ``describe``: what becomes of it, for people."""
    from orchestrator.cli.api_client import connect

    with connect() as client:
        item = _post_action(client, environment_names.find(client, name), action, body)
    _print_result(item, output_format, f"{item.name} {describe(item)}")


def _post_action(
    client: ApiClient, environment: EnvironmentItem, action: str, body: Mapping[str, Any] | None = None
) -> EnvironmentItem:
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas import EnvironmentItem

    return EnvironmentItem.model_validate(client.post(f"environments/{path_segment(environment.ref)}/{action}", body))


def _print_result(item: EnvironmentItem, output_format: OutputFormat, text: str, **more: object) -> None:
    if output_format is not OutputFormat.TABLE:
        output.print_data({**item.model_dump(mode="json"), **more}, output_format)
    else:
        output.print_line(text)


def parse_seconds(text: str) -> int:
    from programs.eph_yaml.durations import parse_duration
    from programs.settings import InvalidValue

    try:
        return int(parse_duration(text).total_seconds())
    except InvalidValue as error:
        raise CliError(error.message, error.expected, ExitCode.USAGE) from error


def confirm(question: str, assume_yes: bool) -> None:
    """Asks a person; a script has to say --yes, because nobody is there to answer."""
    if assume_yes:
        return
    if not sys.stdin.isatty():
        raise CliError(f"{question} Nobody is here to answer.", "say --yes", ExitCode.USAGE)
    if not typer.confirm(output.clean(question)):
        raise CliError("nothing was done")

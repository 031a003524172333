"""``eph up``, ``down``, ``extend``, ``keep``, ``sleep``, ``wake``, ``restart``: act on one environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import environment_names, output, polling, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:  # commands import what they need when they run, so that help is fast
    from orchestrator.cli.api_client import ApiClient
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

app = typer.Typer()

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait until it is done and show progress.")]
Timeout = Annotated[str, typer.Option("--timeout", help="How long to wait with --wait.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask for confirmation.")]


GONE_HINT = wording.environments.NOT_FOUND_HINT


@app.command()
def up(
    name: environment_names.Name,
    wait: Wait = False,
    timeout: Timeout = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Retry an environment now.

    Retries a failed, stalled or waiting environment without waiting for the next attempt.

    Examples:
        eph up 42 --wait
    """
    from orchestrator.cli.api_client import connect

    longest = parse_seconds(timeout)
    with connect() as client:
        before = environment_names.find(client, name, GONE_HINT)
        item = _post_action(client, before, "up")
        if wait:
            item = polling.until_ready(client, before, longest)
    message = wording.environments.retry_requested(item.name, item.phase)
    _print_result(item, form, (item.url or wording.environments.ready(item.name)) if wait else message)


@app.command()
def down(
    name: environment_names.Name,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Destroy an environment.

    Removes the trigger label from its pull request and deletes its database.

    Examples:
        eph down 42
        eph down acme/shop#42 --yes --wait
    """
    from orchestrator.cli.api_client import connect

    longest = parse_seconds(timeout)
    with connect() as client:
        before = environment_names.find(client, name)
        confirm(wording.environments.destroy_question(before.name, client.host), yes)
        item = _post_action(client, before, "down")
        if wait:
            polling.until_gone(client, before, longest)
    _print_result(
        item, form, wording.environments.destroyed(before.name) if wait else f"{before.name}: destroying", gone=wait
    )


@app.command()
def extend(
    name: environment_names.Name,
    length: Annotated[
        str, typer.Argument(metavar="LENGTH", help="By how much to postpone the expiry: 24h, 3d, 1h30m.")
    ],
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Postpone an environment's expiry.

    The server's policy sets the maximum.

    Examples:
        eph extend 42 24h
        eph extend acme/shop#42 3d
    """
    body = {"seconds": parse_seconds(length)}
    _act(name, "extend", form, lambda item: f"expires {output.relative_time(item.expires_at) or 'never'}", body)


@app.command()
def keep(name: environment_names.Name, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Turn off an environment's expiry.

    It exists until its pull request is closed or loses the label.

    Examples:
        eph keep 42
    """
    _act(name, "keep", form, lambda _: "doesn't expire")


@app.command()
def unkeep(name: environment_names.Name, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Turn an environment's expiry on again.

    Examples:
        eph unkeep 42
    """
    _act(name, "unkeep", form, lambda _: wording.environments.CAN_EXPIRE)


@app.command()
def sleep(name: environment_names.Name, form: output.OutputOption = OutputFormat.TABLE) -> None:
    """Put an environment to sleep.

    Stops its processes and keeps its data, URL and expiry. A visit wakes it.

    Examples:
        eph sleep 42
    """
    _act(name, "sleep", form, lambda item: wording.environments.falling_asleep(item.name))


@app.command()
def wake(
    name: environment_names.Name,
    wait: Wait = False,
    timeout: Timeout = "30m",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Wake an environment.

    An environment that is already awake stays awake for a while, even outside its schedule.

    Examples:
        eph wake 42 --wait
    """
    from orchestrator.cli.api_client import connect

    longest = parse_seconds(timeout)
    with connect() as client:
        before = environment_names.find(client, name)
        item = _post_action(client, before, "wake")
        if wait:
            item = polling.until_ready(client, before, longest)
    _print_result(item, form, wording.environments.ready(item.name) if wait else wording.environments.waking(item.name))


@app.command()
def restart(
    name: environment_names.Name,
    service: Annotated[str, typer.Argument(metavar="[SERVICE]", help="Only this service; default: all.")] = "",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Restart the services of an environment, or one of them.

    Databases keep running. Nothing is built again: for that, use `eph up`.

    Examples:
        eph restart 42
        eph restart acme/shop#42 web
    """
    from orchestrator.cli.api_client import connect, path_segment

    with connect() as client:
        item = environment_names.find(client, name)
        found = client.post(f"environments/{path_segment(item.ref)}/restart", {"service": service})
    if form is not OutputFormat.TABLE:
        output.print_data({**found, "name": item.name}, form)
    else:
        output.print_line(wording.environments.restarted(item.name, found["services"]))


def _act(
    name: str,
    action: str,
    output_format: OutputFormat,
    describe: Callable[[EnvironmentItem], str],
    body: Mapping[str, Any] | None = None,
) -> None:
    """Sends an action without waiting for it. ``describe`` says what will happen."""
    from orchestrator.cli.api_client import connect

    with connect() as client:
        item = _post_action(client, environment_names.find(client, name), action, body)
    _print_result(item, output_format, f"{item.name} {describe(item)}")


def _post_action(
    client: ApiClient, environment: EnvironmentItem, action: str, body: Mapping[str, Any] | None = None
) -> EnvironmentItem:
    from orchestrator.cli.api_client import path_segment
    from orchestrator.surfaces.api.schemas.environment_schemas import EnvironmentItem

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
    """Asks a person; a script must pass --yes, because it can't answer."""
    if assume_yes:
        return
    if not sys.stdin.isatty():
        raise CliError(wording.environments.no_terminal(question), "Use --yes.", ExitCode.USAGE)
    if not typer.confirm(output.clean(question)):
        raise CliError("canceled")

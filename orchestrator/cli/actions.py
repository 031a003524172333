"""``eph up``, ``down``, ``extend``, ``keep``, ``sleep``, ``wake``: acting on one environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import names, output, waiting
from orchestrator.cli.errors import CliError, Code
from orchestrator.cli.output import Format

if TYPE_CHECKING:  # a command imports what it needs when it runs, so that help is quick
    from orchestrator.cli.client import Client
    from orchestrator.surfaces.api.schemas import Environment

app = typer.Typer()

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Stay until it is done, and tell each step.")]
Timeout = Annotated[str, typer.Option("--timeout", help="With --wait: the longest to stay.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


ASK_AGAIN = (
    "one that expired or was taken down is gone, label and all: put the label on its pull request again, or comment "
    "`/eph up` there; `eph list` shows what there is"
)


@app.command()
def up(name: names.Name, wait: Wait = False, timeout: Timeout = "30m", form: output.Output = Format.TABLE) -> None:
    """Tries again now.

    A failed, stalled or waiting environment, instead of at its next turn.
    """
    from orchestrator.cli.client import connect

    longest = seconds(timeout)
    with connect() as client:
        before = names.find(client, name, ASK_AGAIN)
        item = _ask(client, before, "up")
        if wait:
            item = waiting.until_ready(client, before, longest)
    asked = f"{item.name}: asked; it is {item.phase}. `eph up {item.name} --wait` stays until it is ready."
    _show(item, form, (item.url or f"{item.name} is ready") if wait else asked)


@app.command()
def down(
    name: names.Name,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = "30m",
    form: output.Output = Format.TABLE,
) -> None:
    """Destroys an environment.

    Takes the trigger label off its pull request; its database goes with it.
    """
    from orchestrator.cli.client import connect

    longest = seconds(timeout)
    with connect() as client:
        before = names.find(client, name)
        confirm(f"Destroy {before.name} and its database?", yes)
        item = _ask(client, before, "down")
        if wait:
            waiting.until_gone(client, before, longest)
    _show(item, form, f"{before.name} is gone" if wait else f"{before.name}: being destroyed", gone=wait)


@app.command()
def extend(
    name: names.Name,
    length: Annotated[str, typer.Argument(metavar="LENGTH", help="How much longer: 24h, 3d, 1h30m.")],
    form: output.Output = Format.TABLE,
) -> None:
    """Lets an environment live longer.

    As far as the server's policy goes.
    """
    body = {"seconds": seconds(length)}
    _at_once(name, "extend", form, lambda item: f"expires {output.when(item.expires_at) or 'never'}", body)


@app.command()
def keep(name: names.Name, form: output.Output = Format.TABLE) -> None:
    """Stops an environment's clock.

    It stays until its pull request is closed or loses the label.
    """
    _at_once(name, "keep", form, lambda _: "does not expire")


@app.command()
def unkeep(name: names.Name, form: output.Output = Format.TABLE) -> None:
    """Lets an environment's clock run again."""
    _at_once(name, "unkeep", form, lambda _: "expires again when its time is up")


@app.command()
def sleep(name: names.Name, form: output.Output = Format.TABLE) -> None:
    """Puts an environment to sleep.

    What runs of it is stopped; its data, its URL and its time stay. A visit wakes it.
    """
    _at_once(name, "sleep", form, lambda item: f"falls asleep; `eph wake {item.name}` or a visit wakes it")


@app.command()
def wake(name: names.Name, wait: Wait = False, timeout: Timeout = "30m", form: output.Output = Format.TABLE) -> None:
    """Wakes an environment that sleeps.

    One that is awake stays so for a while, whatever its hours say.
    """
    from orchestrator.cli.client import connect

    longest = seconds(timeout)
    with connect() as client:
        before = names.find(client, name)
        item = _ask(client, before, "wake")
        if wait:
            item = waiting.until_ready(client, before, longest)
    _show(item, form, f"{item.name} is ready" if wait else f"{item.name}: being woken")


def _at_once(
    name: str, verb: str, form: Format, told: Callable[[Environment], str], body: Mapping[str, Any] | None = None
) -> None:
    """A verb that nobody waits for. ``told``: what becomes of it, for people."""
    from orchestrator.cli.client import connect

    with connect() as client:
        item = _ask(client, names.find(client, name), verb, body)
    _show(item, form, f"{item.name} {told(item)}")


def _ask(client: Client, before: Environment, verb: str, body: Mapping[str, Any] | None = None) -> Environment:
    from orchestrator.cli.client import segment
    from orchestrator.surfaces.api.schemas import Environment

    return Environment.model_validate(client.post(f"environments/{segment(before.ref)}/{verb}", body))


def _show(item: Environment, form: Format, text: str, **more: object) -> None:
    if form is not Format.TABLE:
        output.data({**item.model_dump(mode="json"), **more}, form)
    else:
        output.say(text)


def seconds(text: str) -> int:
    from orchestrator.config.durations import parse_duration
    from orchestrator.config.problems import Rejected

    try:
        return int(parse_duration(text).total_seconds())
    except Rejected as error:
        raise CliError(error.message, error.expected, Code.USAGE) from error


def confirm(question: str, yes: bool) -> None:
    """Asks a person; a script has to say --yes, because nobody is there to answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError(f"{question} Nobody is here to answer.", "say --yes", Code.USAGE)
    if not typer.confirm(output.clean(question)):
        raise CliError("nothing was done")

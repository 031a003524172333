"""``eph up``, ``down``, ``extend``, ``keep``, ``sleep``, ``wake``: acting on one environment."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.cli import names, output, waiting
from orchestrator.cli.errors import CliError, Code
from orchestrator.cli.output import Format

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
    from orchestrator.cli.client import connect, segment
    from orchestrator.surfaces.api.schemas import Environment

    longest = seconds(timeout)
    with connect() as client:
        before = names.find(client, name, ASK_AGAIN)
        item = Environment.model_validate(client.post(f"environments/{segment(before.ref)}/up"))
        if wait:
            item = waiting.until_ready(client, before, longest)
    if form is not Format.TABLE:
        output.data(item.model_dump(mode="json"), form)
    elif wait:
        output.say(item.url or f"{item.name} is ready")
    else:
        output.say(f"{item.name}: asked; it is {item.phase}. `eph up {item.name} --wait` stays until it is ready.")


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
    from orchestrator.cli.client import connect, segment
    from orchestrator.surfaces.api.schemas import Environment

    longest = seconds(timeout)
    with connect() as client:
        before = names.find(client, name)
        confirm(f"Destroy {before.name} and its database?", yes)
        item = Environment.model_validate(client.post(f"environments/{segment(before.ref)}/down"))
        if wait:
            waiting.until_gone(client, before, longest)
    if form is not Format.TABLE:
        output.data({**item.model_dump(mode="json"), "gone": wait}, form)
    else:
        output.say(f"{before.name} is gone" if wait else f"{before.name}: being destroyed")


@app.command()
def extend(
    name: names.Name,
    length: Annotated[str, typer.Argument(metavar="LENGTH", help="How much longer: 24h, 3d, 1h30m.")],
    form: output.Output = Format.TABLE,
) -> None:
    """Lets an environment live longer.

    As far as the server's policy goes.
    """
    from orchestrator.cli.client import connect, segment
    from orchestrator.surfaces.api.schemas import Environment

    body = {"seconds": seconds(length)}
    with connect() as client:
        path = f"environments/{segment(names.find(client, name).ref)}/extend"
        item = Environment.model_validate(client.post(path, body))
    if form is not Format.TABLE:
        output.data(item.model_dump(mode="json"), form)
    else:
        output.say(f"{item.name} expires {output.when(item.expires_at) or 'never'}")


@app.command()
def keep(name: names.Name, form: output.Output = Format.TABLE) -> None:
    """Stops an environment's clock.

    It stays until its pull request is closed or loses the label.
    """
    _clock(name, "keep", form)


@app.command()
def unkeep(name: names.Name, form: output.Output = Format.TABLE) -> None:
    """Lets an environment's clock run again."""
    _clock(name, "unkeep", form)


@app.command()
def sleep(name: names.Name, form: output.Output = Format.TABLE) -> None:
    """Puts an environment to sleep.

    What runs of it is stopped; its data, its URL and its time stay. A visit wakes it.
    """
    from orchestrator.cli.client import connect, segment
    from orchestrator.surfaces.api.schemas import Environment

    with connect() as client:
        path = f"environments/{segment(names.find(client, name).ref)}/sleep"
        item = Environment.model_validate(client.post(path))
    if form is not Format.TABLE:
        output.data(item.model_dump(mode="json"), form)
    else:
        output.say(f"{item.name}: falls asleep; `eph wake {item.name}` or a visit wakes it")


@app.command()
def wake(name: names.Name, wait: Wait = False, timeout: Timeout = "30m", form: output.Output = Format.TABLE) -> None:
    """Wakes an environment that sleeps.

    One that is awake stays so for a while, whatever its hours say.
    """
    from orchestrator.cli.client import connect, segment
    from orchestrator.surfaces.api.schemas import Environment

    longest = seconds(timeout)
    with connect() as client:
        before = names.find(client, name)
        item = Environment.model_validate(client.post(f"environments/{segment(before.ref)}/wake"))
        if wait:
            item = waiting.until_ready(client, before, longest)
    if form is not Format.TABLE:
        output.data(item.model_dump(mode="json"), form)
    else:
        output.say(f"{item.name} is ready" if wait else f"{item.name}: being woken")


def _clock(name: str, verb: str, form: Format) -> None:
    from orchestrator.cli.client import connect, segment
    from orchestrator.surfaces.api.schemas import Environment

    with connect() as client:
        path = f"environments/{segment(names.find(client, name).ref)}/{verb}"
        item = Environment.model_validate(client.post(path))
    if form is not Format.TABLE:
        output.data(item.model_dump(mode="json"), form)
    else:
        output.say(f"{item.name} {'does not expire' if verb == 'keep' else 'expires again when its time is up'}")


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

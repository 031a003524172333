"""``eph exec``, ``eph psql`` and ``eph run``: commands and jobs of an environment, with output and exit status."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import environment_names, terminal, wording
from orchestrator.cli.cli_errors import CliError, ExitCode

if TYPE_CHECKING:
    from orchestrator.cli.api_client import ApiClient

app = typer.Typer()

INPUT_CHUNK = 24 * 1024
"""In bytes; the API's limit for a request is 64 KB, and base64 makes it larger."""
ANY_ARGUMENTS = {"ignore_unknown_options": True, "allow_interspersed_args": False}
Words = Annotated[list[str] | None, typer.Argument(metavar="[ARGUMENT]...", help="What follows -- or the name.")]
Service = Annotated[
    str, typer.Option("--service", "-s", help="The service to run it in. Default: the first public one.")
]
Tty = Annotated[bool, typer.Option("--tty", "-t", help="Run it in a terminal, for a shell or an editor.")]
Stdin = Annotated[bool, typer.Option("--stdin", "-i", hidden=True)]
"""Accepted because `docker` and `kubectl` need it: the input is always passed on."""


@app.command(name="exec", context_settings=ANY_ARGUMENTS)
def exec_(
    name: environment_names.Name,
    command: Words = None,
    service: Service = "",
    tty: Tty = False,
    stdin: Stdin = False,  # noqa: ARG001 - as above
) -> None:
    """Run a command where a service of the environment runs.

    It has the service's files, variables and limits. Its standard input is passed on, and its exit status is that of
    `eph exec`.

    Examples:
        eph exec 42 -- python manage.py migrate
        eph exec --service worker 42 -- ls -l
        eph exec -t 42 -- bash
    """
    words = _without_separator(command)
    if not words:
        raise CliError(wording.deploys.NO_COMMAND, wording.deploys.USE_COMMAND, ExitCode.USAGE)
    raise typer.Exit(_run(name, words, service, tty))


@app.command(context_settings=ANY_ARGUMENTS)
def psql(
    name: environment_names.Name,
    arguments: Words = None,
    service: Service = "",
    variable: Annotated[str, typer.Option("--variable", help="The variable with the database's URL.")] = "DATABASE_URL",
) -> None:
    """Run psql with the environment's database.

    In a terminal it is interactive. Otherwise, statements come from standard input, or from an option of psql.

    Examples:
        eph psql 42
        eph psql 42 -- -c 'table users'
        eph psql 42 < dump.sql
    """
    if not variable.isidentifier():
        raise CliError(wording.deploys.no_variable_name(variable), wording.deploys.USE_VARIABLE, ExitCode.USAGE)
    words = ["psql", *_without_separator(arguments)]
    raise typer.Exit(_run(name, words, service, terminal.is_interactive(), database=variable))


@app.command()
def run(
    name: environment_names.Name,
    job: Annotated[str, typer.Argument(help="The job's name in the repository, such as a DAG's ID.")],
    parameters: Annotated[str, typer.Option("--parameters", "-p", help="A JSON object for the job.")] = "{}",
) -> None:
    """Run a job of the environment, such as a DAG, and wait for it.

    Prints a table of its tasks. The exit status is 0 if all succeeded. Interrupting `eph run` doesn't stop the job.

    Examples:
        eph run 42 orders
        eph run 42 orders --parameters '{"day": "2026-11-01"}'
    """
    try:
        found = json.loads(parameters)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CliError(wording.deploys.INVALID_PARAMETERS, wording.deploys.USE_PARAMETERS, ExitCode.USAGE)
    raise typer.Exit(_stream(name, "runs", {"job": job, "parameters": found}, sends_input=False))


def _without_separator(words: list[str] | None) -> list[str]:
    return words[1:] if words and words[0] == "--" else words or []


def _run(name: str, command: list[str], service: str, tty: bool, database: str = "") -> int:
    body = {
        "command": command,
        "service": service,
        "database": database,
        "terminal": terminal.request() if tty else None,
    }
    return _stream(name, "exec", body, sends_input=True, tty=tty)


def _stream(name: str, action: str, body: dict[str, Any], *, sends_input: bool, tty: bool = False) -> int:
    from orchestrator.cli.api_client import connect, path_segment

    with connect() as client, contextlib.ExitStack() as ends:
        ref = environment_names.find(client, name).ref
        for event, data in client.stream(f"environments/{path_segment(ref)}/{action}", body=body):
            if event == "started" and sends_input:
                if tty:
                    path = f"exec/{data['session']}/size"
                    ends.enter_context(terminal.raw(partial(client.post_without_result, path)))
                threading.Thread(target=_send_input, args=(client, data["session"]), daemon=True).start()
            elif event == "output":
                target = sys.stderr if data["stream"] == "stderr" else sys.stdout
                target.write(data["text"])
                target.flush()
            elif event == "end":
                return _exit_code(data["code"])
    raise CliError(wording.deploys.CONNECTION_ENDED, wording.deploys.RUN_AGAIN)


def _exit_code(code: int | None) -> int:
    if code is None:
        raise CliError(wording.deploys.RAN_TOO_LONG, wording.deploys.TIMEOUT_SETTING)
    return code if code >= 0 else 128 - code


def _send_input(client: ApiClient, session: str) -> None:
    """Until the end of the input, or until the command has ended."""
    try:
        while True:
            data = _read_input()
            body = {"data": base64.b64encode(data).decode(), "end": not data}
            client.post_without_result(f"exec/{session}/input", body)
            if not data:
                return
    except CliError:
        return  # the command has ended; its exit status says how


def _read_input() -> bytes:
    """Not by ``sys.stdin``, whose lock would delay the exit while this thread still waits for input."""
    try:
        return os.read(sys.stdin.fileno(), INPUT_CHUNK)
    except io.UnsupportedOperation:
        return sys.stdin.buffer.read(INPUT_CHUNK)

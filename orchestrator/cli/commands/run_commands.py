"""``eph exec`` and ``eph psql``: a command inside an environment, with its input, output and exit status."""

from __future__ import annotations

import base64
import io
import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import environment_names, wording
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


@app.command(name="exec", context_settings=ANY_ARGUMENTS)
def exec_(name: environment_names.Name, command: Words = None, service: Service = "") -> None:
    """Run a command where a service of the environment runs.

    It has the service's files, variables and limits. Its standard input is passed on, without a terminal, and its exit
    status is that of `eph exec`.

    Examples:
        eph exec 42 -- python manage.py migrate
        eph exec --service worker 42 -- ls -l
    """
    words = _without_separator(command)
    if not words:
        raise CliError(wording.deploys.NO_COMMAND, wording.deploys.USE_COMMAND, ExitCode.USAGE)
    raise typer.Exit(_run(name, words, service))


@app.command(context_settings=ANY_ARGUMENTS)
def psql(
    name: environment_names.Name,
    arguments: Words = None,
    service: Service = "",
    variable: Annotated[str, typer.Option("--variable", help="The variable with the database's URL.")] = "DATABASE_URL",
) -> None:
    """Run psql with the environment's database.

    Statements come from standard input, or from an option of psql.

    Examples:
        eph psql 42
        eph psql 42 -- -c 'table users'
        eph psql 42 < dump.sql
    """
    if not variable.isidentifier():
        raise CliError(wording.deploys.no_variable_name(variable), wording.deploys.USE_VARIABLE, ExitCode.USAGE)
    script = wording.deploys.run_psql(variable)
    raise typer.Exit(_run(name, ["sh", "-c", script, "psql", *_without_separator(arguments)], service))


def _without_separator(words: list[str] | None) -> list[str]:
    return words[1:] if words and words[0] == "--" else words or []


def _run(name: str, command: list[str], service: str) -> int:
    from orchestrator.cli.api_client import connect, path_segment

    with connect() as client:
        ref = environment_names.find(client, name).ref
        body = {"command": command, "service": service}
        for event, data in client.stream(f"environments/{path_segment(ref)}/exec", body=body):
            if event == "started":
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

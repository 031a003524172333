"""``eph env``: variables of one environment, set without a push."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import data_output, environment_names, output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

if TYPE_CHECKING:
    from orchestrator.surfaces.api.schemas.environment_schemas import VariableItem, Variables

app = typer.Typer(help="Set variables of one environment without a push.", no_args_is_help=True)

HEADINGS = ("NAME", "VALUE", "STATE")
MASKED = "••••••"
STANDARD_INPUT = "-"


@app.command("list")
def list_variables(
    name: environment_names.Name,
    fields: data_output.FieldsOption = None,
    jq: data_output.JqOption = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """List the variables that people set for an environment.

    Those of eph.yaml aren't listed. The values of secrets can't be read again.

    Examples:
        eph env list 42
        eph env list acme/shop#42 --json name,secret
    """
    from orchestrator.cli.api_client import connect, path_segment
    from orchestrator.surfaces.api.schemas.environment_schemas import VariableItem, Variables

    chosen = data_output.requested(form, fields, jq)
    with connect() as client:
        item = environment_names.find(client, name)
        found = Variables.model_validate(client.get(f"environments/{path_segment(item.ref)}/env"))
    if chosen:
        chosen.print(found.model_dump(mode="json")["variables"], lambda: VariableItem.model_fields)
    elif found.variables:
        output.print_table(HEADINGS, [_row(each) for each in found.variables])
    else:
        output.print_note(wording.variables.none_set(item.name))


@app.command("set")
def set_variables(
    name: environment_names.Name,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE...", help="With - as the value, prompts for it or reads standard input."),
    ] = None,
    secret: Annotated[
        bool, typer.Option("--secret", help="Encrypt the values, redact them and never show them.")
    ] = False,
    files: Annotated[
        list[str] | None, typer.Option("--from-file", metavar="NAME=PATH", help="Read a value from a file; repeatable.")
    ] = None,
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Set variables of an environment.

    They override those of eph.yaml, survive pushes, and end with the environment. An update applies them.

    Examples:
        eph env set 42 LOG_LEVEL=debug FEATURE_CART=on
        eph env set 42 STRIPE_KEY=- --secret
        eph env set acme/shop#42 --from-file SIGNING_KEY=key.pem --secret
    """
    typed = _parse(pairs or ())
    values = {key: _read_file(path) for key, path in _parse(files or ()).items()} | _with_input(typed, secret=secret)
    if not values:
        raise CliError(wording.variables.NOTHING_TO_SET, wording.variables.USE_PAIR, ExitCode.USAGE)
    if secret and any(value != STANDARD_INPUT for value in typed.values()):
        output.print_note(wording.variables.IN_HISTORY)
    body = {"set": [{"name": key, "value": value, "secret": secret} for key, value in values.items()]}
    _change(name, body, form, set_names=values)


@app.command("unset")
def unset_variables(
    name: environment_names.Name,
    variables: Annotated[list[str], typer.Argument(metavar="VARIABLE...", help="The names of the variables.")],
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Unset variables of an environment.

    Those of eph.yaml with the same names apply again.

    Examples:
        eph env unset 42 LOG_LEVEL
    """
    _change(name, {"unset": variables}, form, unset_names=variables)


def _change(
    name: str,
    body: Mapping[str, Any],
    form: OutputFormat,
    *,
    set_names: Mapping[str, str] | tuple[()] = (),
    unset_names: list[str] | tuple[()] = (),
) -> None:
    from orchestrator.cli.api_client import connect, path_segment
    from orchestrator.surfaces.api.schemas.environment_schemas import Variables

    with connect() as client:
        item = environment_names.find(client, name)
        found: Variables = Variables.model_validate(client.post(f"environments/{path_segment(item.ref)}/env", body))
    if form is not OutputFormat.TABLE:
        output.print_data(found.model_dump(mode="json"), form)
    else:
        output.print_line(wording.variables.changed(item.name, set_names, unset_names))


def _parse(pairs: list[str] | tuple[()]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            # Without a name, the text may be a value that must not be repeated.
            raise CliError(wording.variables.not_a_pair(key[:30]), wording.variables.USE_PAIR, ExitCode.USAGE)
        found[key] = value
    return found


def _with_input(values: Mapping[str, str], *, secret: bool) -> dict[str, str]:
    asked = [key for key, value in values.items() if value == STANDARD_INPUT]
    if len(asked) > 1 and not sys.stdin.isatty():
        raise CliError(wording.variables.ONE_STANDARD_INPUT, wording.variables.SET_ONE_BY_ONE, ExitCode.USAGE)
    return {key: _read_input(key, secret=secret) if key in asked else value for key, value in values.items()}


def _read_input(key: str, *, secret: bool) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(wording.variables.prompt(key), hide_input=secret, err=True))
    text = sys.stdin.read().removesuffix("\n")
    if not text:
        raise CliError(wording.variables.EMPTY_INPUT, wording.variables.EMPTY_HINT, ExitCode.USAGE)
    return text


def _read_file(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        problem = wording.variables.file_unreadable(path, reason)
        raise CliError(problem, wording.variables.USE_TEXT_FILE, ExitCode.USAGE) from error


def _row(item: VariableItem) -> tuple[str, str, str]:
    state = "secret" if item.secret else "plain"
    return item.name, MASKED if item.value is None else item.value, f"{state}, pending" if item.pending else state

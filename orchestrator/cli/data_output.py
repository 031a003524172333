"""``--output``, ``--json`` and ``--jq``: what a command prints for programs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

FieldsOption = Annotated[
    str | None, typer.Option("--json", metavar="FIELDS", help="Print only these fields, as JSON: name,url,phase.")
]
JqOption = Annotated[str | None, typer.Option("--jq", metavar="EXPRESSION", help="Filter the JSON with jq.")]


@dataclass(frozen=True, slots=True)
class DataOutput:
    """``fields``: only these of each item; None means all."""

    form: OutputFormat
    fields: tuple[str, ...] | None = None
    jq: str | None = None

    def print(self, value: Any, known: Callable[[], Iterable[str]]) -> None:
        """``value``: one item, or a list of items. ``known``: the fields that an item has, for an empty list."""
        if self.fields is not None:
            value = _select(value, self.fields, known)
        if self.jq is None:
            output.print_data(value, self.form)
        else:
            _run_jq(value, self.jq)


def requested(form: OutputFormat, fields: str | None, jq: str | None) -> DataOutput | None:
    """None: print a table, for people."""
    if (fields is not None or jq is not None) and form is OutputFormat.YAML:
        raise CliError(wording.environments.YAML_AND_JSON, wording.environments.OMIT_OUTPUT, ExitCode.USAGE)
    if fields is None and jq is None:
        return None if form is OutputFormat.TABLE else DataOutput(form)
    names = None if fields is None else tuple(name.strip() for name in fields.split(","))
    return DataOutput(OutputFormat.JSON, names, jq)


def _select(value: Any, fields: tuple[str, ...], known: Callable[[], Iterable[str]]) -> Any:
    items: list[Mapping[str, Any]] = value if isinstance(value, list) else [value]
    present = list(items[0]) if items else list(known())
    unknown = [name for name in fields if name not in present]
    if unknown:
        problem = wording.environments.unknown_fields(unknown)
        raise CliError(problem, wording.environments.known_fields(present), ExitCode.USAGE)
    selected = [{name: item.get(name) for name in fields} for item in items]
    return selected if isinstance(value, list) else selected[0]


def _run_jq(value: Any, expression: str) -> None:
    """As with `gh --jq`, strings are printed without quotes."""
    program = shutil.which("jq")
    if program is None:
        raise CliError(wording.environments.NO_JQ, wording.environments.INSTALL_JQ, ExitCode.USAGE)
    # Parentheses, so that jq never takes an expression for an option.
    command = [program, "--raw-output", f"({expression}\n)"]
    done = subprocess.run(command, input=json.dumps(value), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        first = next(iter(done.stderr.strip().splitlines()), "")
        raise CliError(wording.environments.jq_failed(first), wording.environments.FIX_JQ, ExitCode.USAGE)
    sys.stdout.write(done.stdout)

"""``eph validate`` and ``init``: work on the local repository's eph.yaml, without a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.output import OutputFormat

app = typer.Typer()

MAX_FILE_BYTES = 1024 * 1024


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to check; - reads standard input.")] = Path(
        "eph.yaml"
    ),
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Check an eph.yaml offline.

    Reports each problem with file, line, column and what was expected.

    Examples:
        eph validate
        git show main:eph.yaml | eph validate -
    """
    from orchestrator.config.eph_yaml.parsing import validate_text

    problems = validate_text(_read_file(file), str(file))
    if form is not OutputFormat.TABLE:
        output.print_data({"file": str(file), "valid": not problems, "problems": problems}, form)
    elif not problems:
        output.print_line(wording.operator.valid(file))
    for problem in problems if form is OutputFormat.TABLE else ():
        output.print_line(problem)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def _read_file(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MAX_FILE_BYTES)
        with file.open("rb") as opened:
            return opened.read(MAX_FILE_BYTES)
    except FileNotFoundError as error:
        hint = wording.operator.RUN_INIT if file.name == "eph.yaml" else wording.operator.CHECK_PATH
        raise CliError(wording.operator.file_not_found(file), hint, ExitCode.USAGE) from error
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", wording.operator.CHOOSE_READABLE, ExitCode.USAGE) from error


@app.command()
def init() -> None:
    """Create an eph.yaml for this repository.

    The file has comments. An existing file is never overwritten.

    Examples:
        eph init
    """
    from orchestrator.cli import scaffold

    root = scaffold.repository_root(Path.cwd())
    target = root / "eph.yaml"
    found = scaffold.detect(root)
    try:
        with target.open("x") as file:
            file.write(scaffold.render_eph_yaml(root.name, found))
    except FileExistsError as error:
        raise CliError(wording.operator.file_exists(target), wording.operator.RUN_VALIDATE, ExitCode.REFUSED) from error
    except OSError as error:
        raise CliError(f"{target}: {error.strerror}") from error
    output.print_line(f"wrote {target}")
    output.print_line(wording.operator.detected(found.command, found.reason))
    output.print_note(wording.operator.NEXT_STEPS)

"""``eph validate`` and ``init``: the eph.yaml of the repository here, without a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.errors import CliError, Code
from orchestrator.cli.output import Format

app = typer.Typer()

READ_MOST = 1024 * 1024


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file; - reads standard input.")] = Path(
        "eph.yaml"
    ),
    form: output.Output = Format.TABLE,
) -> None:
    """Checks an eph.yaml, offline.

    Tells each mistake with file, line, column and what was expected.
    """
    from orchestrator.config.parsing import validate_text

    problems = validate_text(_read(file), str(file))
    if form is not Format.TABLE:
        output.data({"file": str(file), "valid": not problems, "problems": problems}, form)
    elif not problems:
        output.say(f"{file} is valid")
    for problem in problems if form is Format.TABLE else ():
        output.say(problem)
    if problems:
        raise typer.Exit(Code.FAILED)


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(READ_MOST)
        with file.open("rb") as opened:
            return opened.read(READ_MOST)
    except FileNotFoundError as error:
        hint = "`eph init` writes one" if file.name == "eph.yaml" else "check the path"
        raise CliError(f"there is no {file}", hint, Code.USAGE) from error
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}", "name a file that can be read", Code.USAGE) from error


@app.command()
def init() -> None:
    """Writes an eph.yaml for the repository here.

    With comments, and never over one that is there.
    """
    from orchestrator.cli import starter

    root = starter.root(Path.cwd())
    target = root / "eph.yaml"
    found = starter.detect(root)
    try:
        with target.open("x") as file:
            file.write(starter.text(root.name, found))
    except FileExistsError as error:
        raise CliError(f"{target} is there already", "`eph validate` checks it", Code.REFUSED) from error
    except OSError as error:
        raise CliError(f"{target}: {error.strerror}") from error
    output.say(f"wrote {target}")
    output.say(f"service: {found.command}  ({found.because})")
    output.note("commit it, push, and put the label preview on a pull request")

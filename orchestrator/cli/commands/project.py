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
    target: Annotated[
        str, typer.Option("--target", help="The server's default target, for a file that names none.")
    ] = "",
    form: output.OutputOption = OutputFormat.TABLE,
) -> None:
    """Check an eph.yaml offline.

    Reports each problem with file, line, column and what was expected, and what has no effect on the file's target.

    Examples:
        eph validate
        git show main:eph.yaml | eph validate -
    """
    from orchestrator.config.eph_yaml.offline_check import check

    found = check(_read_file(file), str(file), target, _root_of(file))
    if form is OutputFormat.TABLE:
        for line in found.problems or (wording.operator.valid(file, found.target),):
            output.print_line(line)
        for notice in found.notices:
            output.print_line(wording.operator.notice(notice))
        if found.guessed and found.problems:
            output.print_note(wording.operator.checked_for(found.target))
    else:
        content = {"file": str(file), "valid": not found.problems, "target": found.target}
        output.print_data({**content, "problems": list(found.problems), "notices": list(found.notices)}, form)
    if found.problems:
        raise typer.Exit(ExitCode.FAILED)


def _root_of(file: Path) -> Path | None:
    """The folder to which the paths in the file are relative. None if it isn't a repository's own eph.yaml."""
    from orchestrator.cli import scaffold

    folder = file.absolute().parent
    return folder if file.name == "eph.yaml" and scaffold.repository_root(folder) == folder else None


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
def init(
    target: Annotated[str, typer.Option("--target", help="Only look for what runs on this target.")] = "",
) -> None:
    """Create an eph.yaml for this repository.

    The file has comments. An existing file is never overwritten.

    Examples:
        eph init
    """
    from orchestrator.cli import scaffold

    root = scaffold.repository_root(Path.cwd())
    place = root / "eph.yaml"
    found = scaffold.detect(root, target)
    try:
        with place.open("x") as file:
            file.write(scaffold.render_eph_yaml(root.name, found))
    except FileExistsError as error:
        raise CliError(wording.operator.file_exists(place), wording.operator.RUN_VALIDATE, ExitCode.REFUSED) from error
    except OSError as error:
        raise CliError(f"{place}: {error.strerror}") from error
    output.print_line(f"wrote {place}")
    for other in scaffold.other_targets(root, found) if not target else ():
        output.print_note(wording.operator.also_detected(other.target, other.reason))
    if not found.services and not found.section:
        output.print_line(wording.operator.NOTHING_DETECTED)
        return
    output.print_line(wording.operator.detected(found.command, found.target, found.reason))
    output.print_note(wording.operator.NEXT_STEPS)

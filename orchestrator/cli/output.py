"""What ``eph`` prints: tables for people, JSON and YAML for programs.

Titles, errors and log lines come from pull requests and must not control the terminal: control characters are removed,
and Rich's markup is never interpreted in them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.cli_errors import CliError
from orchestrator.core.util import terminal_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

PIPE_WIDTH = 200
clean = terminal_text.plain

STYLES: Mapping[str, str] = {
    "ready": "green",
    "running": "green",
    "failing": "red",
    "unknown": "red",
    "failed": "red",
    "stalled": "red",
    "refused": "red",
    "unhealthy": "red",
    "held": "yellow",
    "expired": "yellow",
    "creating": "cyan",
    "updating": "cyan",
    "starting": "cyan",
    "destroying": "cyan",
}


class OutputFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class ListFormat(StrEnum):
    """Of lists that have more columns than most people need."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"

    @property
    def data_format(self) -> OutputFormat | None:
        return None if self in (ListFormat.TABLE, ListFormat.WIDE) else OutputFormat(self.value)


ListOption = Annotated[ListFormat, typer.Option("--output", "-o", help="Output format.", case_sensitive=False)]
OutputOption = Annotated[OutputFormat, typer.Option("--output", "-o", help="Output format.", case_sensitive=False)]


def console(*, err: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    # A pipe has no width: lines for programs are never cut or wrapped.
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=err, width=width, highlight=False, markup=False, emoji=False, soft_wrap=not stream.isatty())


def print_line(text: str) -> None:
    typer.echo(clean(text))


def print_note(text: str) -> None:
    """Accompanies the data, so it is printed to stderr."""
    console(err=True).print(_text(text))


def print_prose(text: str) -> None:
    """A sentence, wrapped between words on a terminal."""
    from rich.padding import Padding

    out = console()
    out.print(Padding(_text(text), (0, 0, 0, 2), expand=False) if out.is_terminal else f"  {clean(text)}")


def print_data(value: Any, output_format: OutputFormat) -> None:
    if output_format is OutputFormat.JSON:
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    from ruamel.yaml import YAML

    writer = YAML()
    writer.default_flow_style = False
    writer.width = 10_000
    writer.dump(value, sys.stdout)


def print_error(problem: CliError) -> None:
    out = console(err=True)
    out.print(_text("error: ", "bold red").append(clean(problem.message), style="default"))
    if problem.hint:
        out.print(_text("hint:  ", "bold").append(clean(problem.hint), style="default"))
    if problem.server:
        out.print(_text("server: ", "dim").append(clean(problem.server), style="dim"))


def styled_phase(phase: str) -> Text:
    return _text(phase, STYLES.get(phase, "dim"))


def link(text: str, url: str) -> Text:
    return _text(text, f"link {url}" if url.startswith(("http://", "https://")) and url.isprintable() else "")


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(clean(text), style=style)


def print_grid(grid: RenderableType) -> None:
    """Without the blanks with which Rich pads lines."""
    out = console()
    with out.capture() as captured:
        out.print(grid)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    priority: Sequence[str] = (),
    own_line: str = "",
) -> None:
    """Columns two spaces apart. If they don't fit, those not in ``priority`` are dropped, last first; then those in
    ``priority`` from its end, but never the first. If the column ``own_line`` doesn't fit, its values get lines of
    their own instead."""
    from rich.cells import cell_len

    out = console()
    widths = {
        heading: max([cell_len(heading), *(cell_len(str(row[at])) for row in rows)])
        for at, heading in enumerate(headings)
    }
    shown = _fitting_columns(headings, widths, priority or headings, out.width)
    columns = [(headings.index(heading), widths[heading]) for heading in shown]
    _print_row(out, [_text(heading, "bold") for heading in headings], columns)
    for row in rows:
        cells = [_text(cell) if isinstance(cell, str) else cell for cell in row]
        _print_row(out, cells, columns)
        if own_line and own_line not in shown and cells[headings.index(own_line)].plain:
            _print_row(out, [_text("  ").append_text(cells[headings.index(own_line)])], [(0, 0)])


def _print_row(out: Console, cells: Sequence[Text], columns: Sequence[tuple[int, int]]) -> None:
    """``columns``: position and width of each."""
    from rich.text import Text

    line = Text()
    for at, width in columns:
        line.append_text(cells[at])
        line.append(" " * (width - cells[at].cell_len + 2))
    line.rstrip()
    out.print(line, soft_wrap=True)


def _fitting_columns(
    headings: Sequence[str], widths: Mapping[str, int], priority: Sequence[str], width: int
) -> list[str]:
    chosen: list[str] = []
    for heading in priority:
        total = sum(widths[name] for name in [*chosen, heading]) + 2 * len(chosen)
        if total <= width or not chosen:
            chosen.append(heading)
    return [heading for heading in headings if heading in chosen]


def print_pairs(rows: Iterable[tuple[str, str | Text]]) -> None:
    """Names on the left, values wrapped on the right; empty values are left out."""
    from rich.table import Table

    grid = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        if str(value):
            grid.add_row(name, _text(value) if isinstance(value, str) else value)
    print_grid(grid)


def relative_time(at: datetime | None, now: datetime | None = None) -> str:
    """The distance in time: ``3 min ago``, ``in 71 h``."""
    if at is None:
        return ""
    seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return f"in {format_span(seconds)}" if seconds >= 0 else f"{format_span(-seconds)} ago"


def age(since: datetime | None, now: datetime | None = None) -> str:
    return format_span(max(((now or datetime.now(UTC)) - since).total_seconds(), 0)) if since else ""


def format_span(seconds: float) -> str:
    for unit, size, least in (("d", 86400, 4), ("h", 3600, 2), ("min", 60, 2)):
        if seconds >= least * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def format_size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{max(1, size // 1000)} KB"

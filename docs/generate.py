"""Writes the generated parts of the pages: ``make docs``. A test fails when one of them says what is not so.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; the rest of the page is written by
hand. The table of requirements is by hand too, but for its last column: the test files that name the row.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from orchestrator.config import loading
from orchestrator.config.settings import Settings

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "docs" / "requirements.md"
CONFIGURATION = ROOT / "docs" / "reference" / "configuration.md"

_ROW = re.compile(r"^\| (?P<id>[A-Z]\d+) \| (?P<text>.*) \| (?P<state>\w+) \|(?P<tests>[^|]*)\|$")
_NAMED = re.compile(r"\b([LYITDPMCOS])(\d{1,2})(?:(?:–|-| to )\1?(\d{1,2}))?\b")


def requirements(page: str, root: Path = ROOT) -> str:
    """The page with the last column of its tables written anew."""
    naming = rows_named(root)
    return "\n".join(_with_tests(line, naming) for line in page.split("\n"))


def rows(page: str) -> dict[str, str]:
    """The state of each row."""
    found = (_ROW.match(line) for line in page.split("\n"))
    return {match["id"]: match["state"] for match in found if match}


def tests_told(page: str) -> dict[str, list[str]]:
    """The test files that the table names for each row."""
    found = (_ROW.match(line) for line in page.split("\n"))
    return {match["id"]: re.findall(r"\]\(\.\./([^)]+)\)", match["tests"]) for match in found if match}


def _with_tests(line: str, naming: Mapping[str, list[str]]) -> str:
    match = _ROW.match(line)
    if match is None:
        return line
    told = " ".join(f"[{Path(path).stem.removeprefix('test_')}](../{path})" for path in naming.get(match["id"], []))
    return f"| {match['id']} | {match['text']} | {match['state']} | {told} |".replace("|  |", "| |")


@cache
def rows_named(root: Path) -> dict[str, list[str]]:
    """For each row, the test files that name it in a docstring or a comment."""
    found: dict[str, list[str]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for row in sorted(set(_named_in("\n".join(_prose(path.read_text()))))):
            found.setdefault(row, []).append(path.relative_to(root).as_posix())
    return found


def _named_in(text: str) -> Iterator[str]:
    """``L1``, and each of ``Y1–Y4``."""
    for letter, first, last in _NAMED.findall(text):
        yield from (f"{letter}{number}" for number in range(int(first), int(last or first) + 1))


def _prose(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def filled(page: str, name: str, text: str) -> str:
    """The page with its generated part of that name replaced."""
    begin, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no part {begin.strip()} … {end}")
    return f"{head}{begin}{text}\n\n{end}{tail}"


def settings() -> str:
    """Tables of the server's settings, one for each group, from the class that reads them."""
    known = loading.names()
    groups = dict.fromkeys(steps[:-1] for steps in known)
    return "\n".join(_table(group, [steps for steps in known if steps[:-1] == group]) for group in groups)


def _table(group: tuple[str, ...], settings: list[tuple[str, ...]]) -> str:
    lines = ["", f"### `{'.'.join(group)}`: {_field(group).description}"] if group else []
    lines += ["", "| variable | in eph.toml | default | meaning |", "|---|---|---|---|"]
    for steps in settings:
        field = _field(steps)
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{loading.variable(steps)}` | `{'.'.join(steps)}` | {_default(field)} | {meaning} |")
    return "\n".join(lines)


def _field(steps: tuple[str, ...]) -> FieldInfo:
    model: Any = Settings
    for step in steps[:-1]:
        model = model.model_fields[step].annotation
    field: FieldInfo = model.model_fields[steps[-1]]
    return field


def _default(field: FieldInfo) -> str:
    """A default as a person would write it. What is computed on the machine is told by its description."""
    if field.is_required():
        return "(must be set)"
    value = "" if field.default_factory is not None or field.default is None else field.default
    match value:
        case SecretStr():
            text = value.get_secret_value()
        case timedelta():
            text = _duration(value)
        case tuple() | frozenset():
            text = ",".join(str(item) for item in value)
        case _:
            text = str(value)
    return f"`{text}`" if text else ""


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    units = {"d": 86400, "h": 3600, "m": 60}
    fits = [unit for unit, size in units.items() if seconds >= size * (7 if unit == "d" else 1) and seconds % size == 0]
    return f"{seconds // units[fits[0]]}{fits[0]}" if fits else f"{seconds}s"


def requirements_page() -> str:
    return requirements(REQUIREMENTS.read_text())


def configuration_page() -> str:
    return filled(CONFIGURATION.read_text(), "settings", settings())


PAGES: Mapping[Path, Callable[[], str]] = {REQUIREMENTS: requirements_page, CONFIGURATION: configuration_page}
"""Every page with a generated part, and how it should read now."""


def main() -> None:
    for path, written in PAGES.items():
        if path.read_text() != (text := written()):
            path.write_text(text)
            print(f"written: {path.relative_to(ROOT)}")  # noqa: T201 - this is the command's output


if __name__ == "__main__":
    main()

"""Help: sections, examples that work, aliases, and suggestions. Row: P5."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from orchestrator.cli import help_pages
from orchestrator.cli.help_pages import EphCommand
from orchestrator.cli.main import app

EPH: Any = get_command(app)


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands that aren't groups."""
    if not isinstance(command, TyperGroup):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from walk(child, (*path, name))


COMMANDS = dict(walk(EPH))
EXAMPLES = [line for command in COMMANDS.values() for line in getattr(command, "examples", [])] + [
    line for group in EPH.commands.values() if isinstance(group, TyperGroup) for line in getattr(group, "examples", [])
]


def eph_words(example: str) -> list[str]:
    """The words after ``eph`` in the part of a shell line that runs it."""
    substituted = re.search(r"\$\((.+)\)", example)
    lexer = shlex.shlex(substituted[1] if substituted else example, posix=True, punctuation_chars="|<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(lexer)
    start = words.index("eph") + 1
    end = next((at for at, word in enumerate(words) if at > start and word in ("|", "<", ">")), len(words))
    return words[start:end]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_an_example_of_its_own(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert isinstance(command, EphCommand)
    assert command.examples
    for example in command.examples:
        assert "eph " + " ".join(path) in example
    shown = CliRunner().invoke(app, [*path, "--help"]).stdout if path != ("demo",) else ""
    assert path == ("demo",) or f"Examples:\n  {command.examples[0]}\n" in shown


def problem_of(example: str) -> str:
    """Why ``eph`` would reject the command line before it does anything; empty if it wouldn't."""
    command: Any = EPH
    words, context = eph_words(example), None
    name: Any = "eph"
    try:
        while True:
            context = command.make_context(name, list(words), parent=context)
            if not isinstance(command, TyperGroup):
                return ""
            words = [*context._protected_args, *context.args]
            if not words:
                return "" if command.invoke_without_command else "no subcommand"
            name, command, words = command.resolve_command(context, words)
    except Exception as error:  # noqa: BLE001 - whatever it is, the example doesn't work
        return str(error) or type(error).__name__


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_a_valid_command_line(example: str) -> None:
    assert problem_of(example) == ""


@pytest.mark.parametrize(
    "wrong", ["eph list --no-such-option", "eph lisst", "eph get", "eph auth", "eph logs 1 --lines x", "eph keep 1 2"]
)
def test_the_check_of_examples_finds_mistakes(wrong: str) -> None:
    assert problem_of(wrong)


def test_every_command_is_in_one_section() -> None:
    listed = [name for names in help_pages.SECTIONS.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(EPH.commands) <= set(listed)
    shown = CliRunner().invoke(app, ["--help"]).stdout
    for section, names in help_pages.SECTIONS.items():
        assert (f"\n{section}:\n" in shown) == any(name in EPH.commands for name in names)


def test_aliases_are_commands_and_shown() -> None:
    shown = CliRunner().invoke(app, ["-h"]).stdout
    for alias, name in help_pages.ALIASES.items():
        assert f"{name}, {alias}" in shown
        assert CliRunner().invoke(app, [alias, "--help"]).exit_code == 0


def test_aliases_of_subcommands_are_commands_and_shown() -> None:  # P11
    assert "token, keys" in CliRunner().invoke(app, ["auth", "-h"]).stdout
    shown = [CliRunner().invoke(app, ["auth", name, "create", "-h"]) for name in ("token", "keys")]
    assert [each.exit_code for each in shown] == [0, 0]
    assert "--max-deploys" in shown[1].stdout
    assert CliRunner().invoke(app, ["auth", "kyes"]).exit_code == 2


def test_names_known_from_other_tools_are_explained() -> None:
    for typed, meant in help_pages.SYNONYMS.items():
        result = CliRunner().invoke(app, [typed])
        assert result.exit_code == 2
        assert f"Did you mean '{meant}'?" in result.stderr
        first = meant.split()[0]
        assert first in EPH.commands
    assert "Did you mean 'list'?" in CliRunner().invoke(app, ["lits"]).stderr

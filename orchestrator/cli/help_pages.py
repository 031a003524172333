"""How help looks: commands in sections with their aliases, and each command's examples after its options.

A command's examples are the indented lines below ``Examples:`` at the end of its docstring.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from orchestrator.cli import output, wording
from orchestrator.cli.cli_errors import CliError, ExitCode
from orchestrator.cli.quick_parameters import QuickCommand

SECTIONS: Mapping[str, tuple[str, ...]] = {
    wording.operator.SEE_ENVIRONMENTS: ("list", "get", "why", "open", "watch", "logs", "steps", "events"),
    wording.operator.CHANGE_ENVIRONMENTS: (
        "up", "down", "restart", "wake", "sleep", "extend", "keep", "unkeep", "approve",
    ),
    wording.operator.WORK_IN_ENVIRONMENTS: ("exec", "psql", "db", "env", "run", "share"),
    wording.operator.DEPLOY: ("deploy", "versions"),
    wording.operator.SET_UP: ("init", "validate", "setup", "self-install", "target"),
    wording.operator.FIND_PROBLEMS: ("wtf", "doctor", "webhook"),
    wording.operator.OPERATE: ("server", "audit", "sweep", "cost", "prices", "cache"),
    wording.operator.SERVERS: ("auth", "context", "mcp"),
    wording.operator.OTHER: ("demo", "completion", "version"),
}  # fmt: skip
ALIASES: Mapping[str, str] = {"ls": "list", "rm": "down"}
SUBCOMMAND_ALIASES: Mapping[str, str] = {"keys": "token"}
SYNONYMS: Mapping[str, str] = {
    "delete": "down", "destroy": "down", "remove": "down", "create": "up", "start": "wake", "stop": "sleep",
    "status": "get", "show": "get", "describe": "get", "ps": "list", "log": "logs", "history": "events",
    "ssh": "exec", "shell": "exec", "login": "auth login", "logout": "auth logout", "whoami": "auth status",
    "variables": "env", "config": "env", "retry": "up", "url": "open", "link": "share",
    "pause": "server pause", "resume": "server resume", "drain": "server drain",
}  # fmt: skip
"""What people type who know other tools."""

EXAMPLES = "Examples:"


def split_examples(text: str) -> tuple[str, list[str]]:
    """The text of a docstring without its examples, and these."""
    before, heading, after = inspect.cleandoc(text).partition(f"\n{EXAMPLES}\n")
    return before.rstrip(), [line.strip() for line in after.splitlines() if line.strip()] if heading else []


class EphCommand(QuickCommand, TyperCommand):
    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings["help"], self.examples = split_examples(settings.get("help") or "")
        super().__init__(*arguments, **settings)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        super().format_epilog(ctx, formatter)
        _write_examples(formatter, self.examples)


class EphSubgroup(QuickCommand, TyperGroup):
    """A command with subcommands."""

    def __init__(self, **settings: Any) -> None:
        settings["help"], self.examples = split_examples(settings.get("help") or "")
        super().__init__(**settings)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, SUBCOMMAND_ALIASES.get(cmd_name, ""))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        titles = {name: _title(name, SUBCOMMAND_ALIASES) for name in self.list_commands(ctx)}
        limit = formatter.width - 6 - max(map(len, titles.values()), default=0)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(title, self.commands[name].get_short_help_str(limit)) for name, title in titles.items()]
            )

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        super().format_epilog(ctx, formatter)
        _write_examples(formatter, self.examples)


class EphGroup(QuickCommand, TyperGroup):
    """``eph`` itself. It also ends every failure in the one way."""

    def list_commands(self, _: Any) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        meant = SYNONYMS.get(args[0]) if args and self.get_command(ctx, args[0]) is None else None
        if meant is not None:
            ctx.fail(wording.operator.unknown_command(args[0], meant))
        return super().resolve_command(ctx, args)

    def format_commands(self, _: Any, formatter: Any) -> None:
        width = max(len(_title(name, ALIASES)) for name in self.commands)
        for section, names in self._sections():
            with formatter.section(section):
                formatter.write_dl(
                    [(_title(name, ALIASES).ljust(width), _summary(self.commands[name])) for name in names]
                )

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            output.print_error(error)
            raise typer.Exit(error.code) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(ExitCode.INTERRUPTED) from error

    def _sections(self) -> Iterator[tuple[str, list[str]]]:
        listed = {name for names in SECTIONS.values() for name in names}
        unlisted = [name for name in self.commands if name not in listed]
        for section, names in SECTIONS.items():
            found = [name for name in names if name in self.commands] + (
                unlisted if section == wording.operator.OTHER else []
            )
            if found:
                yield section, found


def apply_to(app: typer.Typer) -> None:
    """Gives all commands below ``app`` this help."""
    for command in app.registered_commands:
        command.cls = EphCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            if group.name:
                group.typer_instance.info.cls = EphSubgroup
            apply_to(group.typer_instance)


def _title(name: str, aliases: Mapping[str, str]) -> str:
    short = [alias for alias, of in aliases.items() if of == name]
    return f"{name}, {', '.join(short)}" if short else name


def _summary(command: Any) -> str:
    return (command.help or "").partition("\n")[0].rstrip(".")


def _write_examples(formatter: Any, examples: list[str]) -> None:
    if examples:
        with formatter.section(EXAMPLES.rstrip(":")):
            for line in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")

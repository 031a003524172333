"""Commands that need more than the client: they name the extra instead of failing on an import."""

from __future__ import annotations

from orchestrator.cli import wording
from orchestrator.cli.cli_errors import CliError, ExitCode


def require_server(command: str) -> None:
    """Raises the error that people see if only the client is installed."""
    from stacks.toolchain import extras

    _require(extras.SERVER, command)


def require_mcp(command: str) -> None:
    from stacks.toolchain import extras

    _require(extras.MCP, command)


def _require(extra: str, command: str) -> None:
    from stacks.toolchain import extras

    if extras.missing(extra):
        raise CliError(
            wording.operator.extra_missing(command, extra), wording.operator.install_extra(extra), ExitCode.USAGE
        )

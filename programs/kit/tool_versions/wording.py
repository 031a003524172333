"""What people read about the tools that a repository requests in mise.toml or .tool-versions."""

from __future__ import annotations

from collections.abc import Sequence

NONE_INSTALLED = "None is installed"


def installed(versions: Sequence[str]) -> str:
    return f"Installed: {', '.join(versions)}"


def not_installed(file: str, tool: str, versions: str, available: str) -> str:
    return (
        f"{file} requests {tool} {versions}, which isn't installed on this server. {available}. "
        "Change the version, or ask the server's operator to install it with mise or asdf."
    )


def more_notices(count: int) -> str:
    return f"and {count} more"


def invalid_file(file: str) -> str:
    return f"{file} isn't valid, so its versions aren't used."

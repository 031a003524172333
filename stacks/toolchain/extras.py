"""The extras of the Python package ``eph``, and what of them isn't installed.

Without an extra, ``eph`` is the client. A command that needs more says so before it imports it.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata

from stacks.toolchain import wording

SERVER = "server"
MCP = "mcp"
NOT_INSTALLED = 2
"""The exit code."""
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def missing(extra: str) -> list[str]:
    """The packages that the extra consists of and that aren't installed. Whether their versions fit isn't checked."""
    try:
        requirements = metadata.requires("eph") or []
    except metadata.PackageNotFoundError:  # run from a tree that isn't installed
        return []
    return [name for name in _packages_of(extra, requirements) if not _is_installed(name)]


def exit_without_server(program: str) -> None:
    """Ends the process with a sentence if only the client is installed."""
    if missing(SERVER):
        sys.stderr.write(f"{program}: {wording.SERVER_NOT_INSTALLED}\n")
        sys.exit(NOT_INSTALLED)


def _packages_of(extra: str, requirements: list[str]) -> list[str]:
    marker = re.compile(rf"""\bextra\s*==\s*['"]{re.escape(extra)}['"]""")
    found = [_NAME.match(line.strip()) for line in requirements if marker.search(line.partition(";")[2])]
    return [name[0] for name in found if name is not None]


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True

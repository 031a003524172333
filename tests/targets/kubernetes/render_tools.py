"""The programs that render manifests: the installed ones, and scripts in their place."""

from __future__ import annotations

import textwrap
from pathlib import Path

from stacks.toolchain import plugins


def find_tool(name: str) -> str:
    """On PATH or in Eph's cache; empty if it isn't installed."""
    folder = plugins.find_optional(name)
    return str(folder / name) if folder else ""


def write_script(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}\n")
    path.chmod(0o755)
    return str(path)

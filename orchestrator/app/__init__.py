"""Composition only: ``compose()`` creates every part of Eph, and ``main`` is ``ephd``."""

from __future__ import annotations

import sys

from stacks.toolchain import extras, wording

WITHOUT_THE_SERVER = 2
"""The exit code if only the client is installed."""


def main() -> int:
    """Imports late, so that ``--help`` and an invalid option respond at once."""
    if extras.missing(extras.SERVER):
        sys.stderr.write(f"ephd: {wording.SERVER_NOT_INSTALLED}\n")
        return WITHOUT_THE_SERVER
    from orchestrator.app.daemon import main as daemon

    return daemon()

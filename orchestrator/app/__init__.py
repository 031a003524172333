"""Composition only: ``compose()`` creates every part of Eph, and ``main`` is ``ephd``."""

from __future__ import annotations

from stacks.toolchain import extras


def main() -> int:
    """Imports late, so that ``--help`` and an invalid option respond at once."""
    extras.exit_without_server("ephd")
    from orchestrator.app.daemon import main as daemon

    return daemon()

"""Composition only: ``compose()`` creates every part of Eph, and ``main`` is ``ephd``."""

from __future__ import annotations


def main() -> int:
    """Imports late, so that ``--help`` and an invalid option respond at once."""
    from orchestrator.app.daemon import main as daemon

    return daemon()

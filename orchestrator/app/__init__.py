"""The composition root: the only room that knows everybody. ``main`` is ``ephd``."""

from __future__ import annotations


def main() -> int:
    """Imported late, so that ``--help`` and a wrong option answer at once."""
    from orchestrator.app.daemon import main as daemon

    return daemon()

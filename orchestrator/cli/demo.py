"""``eph demo``: a door into ``app``, which brings a whole Eph up on this machine."""

from __future__ import annotations


def main(args: list[str]) -> int:
    from orchestrator.app.demo.run import main as demo

    return demo(args)

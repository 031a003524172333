"""The command line of ``ephd``."""

from __future__ import annotations

import argparse
from pathlib import Path

from orchestrator.runtime import wording


def parse(version: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ephd", description="The Eph server: gives every labelled pull request its own environment."
    )
    parser.add_argument(
        "command", nargs="?", choices=("run", "stop"), default="run", help="run, the default, or stop a running ephd"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="with stop: also the gateway, the database server and previews; the next start brings them back",
    )
    parser.add_argument("--config", type=Path, help="path to eph.toml; default: $EPH_HOME/eph.toml")
    parser.add_argument(
        "--gateway", action="store_true", help="run as the gateway of an ephd that has gateway = beside"
    )
    parser.add_argument("--version", action="version", version=f"eph {version}")
    arguments = parser.parse_args()
    if arguments.all and arguments.command != "stop":
        parser.error(wording.startup.ALL_WITHOUT_STOP)
    return arguments

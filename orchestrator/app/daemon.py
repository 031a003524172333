"""``ephd``: reads its settings, brings the service up, and stops on SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from orchestrator.app import service
from orchestrator.app.door import GatewayTrouble
from orchestrator.cli import discovery
from orchestrator.config.loading import load
from orchestrator.config.problems import BadSettings
from orchestrator.config.settings import Settings
from stacks import toolchain
from stacks.toolchain import NoToolchain


def main() -> int:
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = load(arguments.config)
        tools = toolchain.ensure(_say)
        asyncio.run(_run(settings, tools))
    except (BadSettings, NoToolchain, GatewayTrouble, ValueError) as error:
        sys.stderr.write(f"ephd: {error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ephd", description="Gives every labelled pull request its own environment.")
    parser.add_argument("--config", type=Path, help="an eph.toml; $EPH_HOME/eph.toml when left out")
    parser.add_argument("--version", action="version", version=f"eph {service.version()}")
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


async def _run(settings: Settings, tools: toolchain.Toolchain) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with service.running(settings, tools) as alive:
        discovery.write(f"http://{settings.listen}", alive.token_file)
        try:
            sys.stderr.write(f"ephd: the API is at http://{settings.listen}, previews at {settings.url_template}\n")
            await stop.wait()
        finally:
            discovery.remove()

"""``ephd``: reads its settings, brings the service up, and stops on SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from orchestrator.app import service, wiring
from orchestrator.app.addresses import StartTrouble
from orchestrator.cli import discovery
from orchestrator.config.loading import load
from orchestrator.config.problems import BadSettings
from orchestrator.config.settings import Settings
from stacks import plugins, toolchain
from stacks.inventory import FileInventory
from stacks.toolchain import NoToolchain

log = logging.getLogger("eph")

LAST_SECONDS = 3.0


def main() -> int:
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("httpx", "httpx2", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = load(arguments.config)
        if arguments.gateway:
            _become_gateway(settings)
        tools = plugins.beside(toolchain.ensure(_say), _targets(settings), _say)
        asyncio.run(_run(settings, tools))
    except (BadSettings, NoToolchain, StartTrouble, service.Broken, OSError, ValueError) as error:
        log.debug("ephd ends", exc_info=True)
        sys.stderr.write(f"ephd: {error}\n")
        return 1
    return 0


def _targets(settings: Settings) -> frozenset[str]:
    return settings.known_targets | wiring.used_targets(FileInventory(settings.backend_dir))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ephd", description="Gives every labelled pull request its own environment.")
    parser.add_argument("--config", type=Path, help="an eph.toml; $EPH_HOME/eph.toml when left out")
    parser.add_argument("--gateway", action="store_true", help="be the gateway of an ephd with gateway = beside")
    parser.add_argument("--version", action="version", version=f"eph {service.version()}")
    return parser.parse_args()


def _become_gateway(settings: Settings) -> NoReturn:
    """This very process, so that whoever supervises it sees its end."""
    door = wiring.door(settings)
    settings.routes_dir.mkdir(parents=True, exist_ok=True)
    os.execv(door.command[0], door.command)  # noqa: S606 - our own command, no shell


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


async def _run(settings: Settings, tools: toolchain.Toolchain) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with service.running(settings, tools) as alive:
        discovery.write(settings.own_url, alive.token_file)
        try:
            sys.stderr.write(f"ephd: the API is at http://{settings.listen}, previews at {settings.url_template}\n")
            await _until(stop, alive)
        finally:
            discovery.remove()
    # All is ended and saved. A thread that still waits for a dead Git host must not keep the process.
    last = threading.Timer(LAST_SECONDS, os._exit, (0,))
    last.daemon = True
    last.start()


async def _until(stop: asyncio.Event, alive: service.Service) -> None:
    """A signal, or the end of a part that ephd cannot be without: then whoever supervises it starts it anew."""
    asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(alive.broken())
    try:
        await asyncio.wait({asked, broken}, return_when=asyncio.FIRST_COMPLETED)
        if broken.done() and not asked.done():
            broken.result()
    finally:
        asked.cancel()
        broken.cancel()
        await asyncio.gather(asked, broken, return_exceptions=True)

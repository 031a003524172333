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

from orchestrator.app import composition, system
from orchestrator.app.addresses import StartupError
from orchestrator.cli import discovery
from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import load
from orchestrator.config.settings.server_settings import ServerSettings
from stacks.backends import registry as backends
from stacks.backends.inventory import StackInventory
from stacks.toolchain import plugins, pulumi_cli
from stacks.toolchain.pulumi_cli import ToolchainNotFound

log = logging.getLogger("eph")

EXIT_GRACE_SECONDS = 3.0


def main() -> int:
    arguments = _parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("httpx", "httpx2", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = load(arguments.config)
        if arguments.gateway:
            _exec_gateway(settings)
        tools = plugins.with_plugins(pulumi_cli.ensure(_print_line), _targets_in_use(settings), _print_line)
        asyncio.run(_run(settings, tools))
    except (InvalidSettings, ToolchainNotFound, StartupError, system.ComponentFailed, OSError, ValueError) as error:
        log.debug("ephd failed", exc_info=True)
        sys.stderr.write(f"ephd: {error}\n")
        return 1
    return 0


def _targets_in_use(settings: ServerSettings) -> frozenset[str]:
    return settings.known_targets | composition.targets_of_stacks(
        StackInventory(backends.open_backend(settings.stacks_url))
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ephd", description="The Eph server: gives every labelled pull request its own environment."
    )
    parser.add_argument("--config", type=Path, help="path to eph.toml; default: $EPH_HOME/eph.toml")
    parser.add_argument(
        "--gateway", action="store_true", help="run as the gateway of an ephd that has gateway = beside"
    )
    parser.add_argument("--version", action="version", version=f"eph {system.version()}")
    return parser.parse_args()


def _exec_gateway(settings: ServerSettings) -> NoReturn:
    """This very process, so that whoever supervises it sees its end."""
    door = composition.gateway_spec(settings)
    settings.routes_dir.mkdir(parents=True, exist_ok=True)
    os.execv(door.command[0], door.command)  # noqa: S606 - our own command, no shell


def _print_line(line: str) -> None:
    sys.stderr.write(line + "\n")


async def _run(settings: ServerSettings, tools: pulumi_cli.Toolchain) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with system.running(settings, tools) as alive:
        discovery.write(settings.local_api_url, alive.token_file)
        try:
            sys.stderr.write(f"ephd: the API is at http://{settings.listen}, previews at {settings.url_template}\n")
            await _wait_for_stop(stop, alive)
        finally:
            discovery.remove()
    # All is ended and saved. A thread that still waits for a dead Git host must not keep the process.
    last = threading.Timer(EXIT_GRACE_SECONDS, os._exit, (0,))
    last.daemon = True
    last.start()


async def _wait_for_stop(stop: asyncio.Event, system: system.RunningSystem) -> None:
    """A signal, or the end of a part that ephd cannot be without: then whoever supervises it starts it anew."""
    asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(system.wait_for_failure())
    try:
        await asyncio.wait({asked, broken}, return_when=asyncio.FIRST_COMPLETED)
        if broken.done() and not asked.done():
            broken.result()
    finally:
        asked.cancel()
        broken.cancel()
        await asyncio.gather(asked, broken, return_exceptions=True)

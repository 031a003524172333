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

from orchestrator.app import outside
from orchestrator.app.running import RunningEphd, running
from orchestrator.app.system import ComponentFailed
from orchestrator.cli import discovery
from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import load
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime.server.addresses import StartupError
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
        tools = plugins.with_plugins(pulumi_cli.ensure(_print_line), outside.targets_in_use(settings), _print_line)
        asyncio.run(_run(settings, tools))
    except (InvalidSettings, ToolchainNotFound, StartupError, ComponentFailed, OSError, ValueError) as error:
        log.debug("ephd failed", exc_info=True)
        sys.stderr.write(f"ephd: {error}\n")
        return 1
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ephd", description="The Eph server: gives every labelled pull request its own environment."
    )
    parser.add_argument("--config", type=Path, help="path to eph.toml; default: $EPH_HOME/eph.toml")
    parser.add_argument(
        "--gateway", action="store_true", help="run as the gateway of an ephd that has gateway = beside"
    )
    parser.add_argument("--version", action="version", version=f"eph {outside.version()}")
    return parser.parse_args()


def _exec_gateway(settings: ServerSettings) -> NoReturn:
    """This very process, so that whoever supervises it sees its end."""
    gateway = outside.gateway_spec(settings)
    settings.routes_dir.mkdir(parents=True, exist_ok=True)
    os.execv(gateway.command[0], gateway.command)  # noqa: S606 - our own command, no shell


def _print_line(line: str) -> None:
    sys.stderr.write(line + "\n")


async def _run(settings: ServerSettings, tools: pulumi_cli.Toolchain) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings, tools) as ephd:
        discovery.write(settings.local_api_url, ephd.token_file)
        try:
            sys.stderr.write(f"ephd: the API is at http://{settings.listen}, previews at {settings.url_template}\n")
            await _wait_for_stop(stop, ephd)
        finally:
            discovery.remove()
    # All is ended and saved. A thread that still waits for a dead Git host must not keep the process.
    last = threading.Timer(EXIT_GRACE_SECONDS, os._exit, (0,))
    last.daemon = True
    last.start()


async def _wait_for_stop(stop: asyncio.Event, ephd: RunningEphd) -> None:
    """A signal, or the end of a part that ephd cannot be without: then whoever supervises it starts it anew."""
    asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(ephd.wait_for_failure())
    try:
        await asyncio.wait({asked, broken}, return_when=asyncio.FIRST_COMPLETED)
        if broken.done() and not asked.done():
            broken.result()
    finally:
        asked.cancel()
        broken.cancel()
        await asyncio.gather(asked, broken, return_exceptions=True)

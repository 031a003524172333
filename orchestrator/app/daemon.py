"""``ephd``: reads its settings, brings the service up, and stops on SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import sys

from orchestrator.app import outside
from orchestrator.app.running import running
from orchestrator.cli import discovery
from orchestrator.config.problems import InvalidSettings
from orchestrator.config.settings.loading import load
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.runtime import wording
from orchestrator.runtime.server import command_line, gateway_process, logs, service_manager, stop_signals
from orchestrator.runtime.server.addresses import StartupError
from orchestrator.runtime.server.lifecycle import ComponentFailed
from orchestrator.runtime.server.service_manager import ServiceManager
from orchestrator.runtime.server.stopping import stop
from stacks.toolchain import plugins, pulumi_cli
from stacks.toolchain.pulumi_cli import ToolchainNotFound

log = logging.getLogger("eph")


def main() -> int:
    manager = service_manager.take()
    arguments = command_line.parse(outside.version())
    logs.configure("text", "info")
    try:
        settings = load(arguments.config)
        logs.configure(settings.log.format, settings.log.level)
        if arguments.command == "stop":
            stop(settings, arguments.all, lambda line: _print_line(f"ephd: {line}"))
            return 0
        if arguments.gateway:
            gateway_process.become_gateway(settings)
        if missing := settings.forge.missing():
            raise InvalidSettings([missing])
        tools = plugins.with_plugins(pulumi_cli.ensure(_print_line), outside.targets_in_use(settings), _print_line)
        asyncio.run(_run(settings, tools, manager))
    except (InvalidSettings, ToolchainNotFound, StartupError, ComponentFailed, OSError, ValueError) as error:
        log.debug("ephd failed", exc_info=True)
        sys.stderr.write(f"ephd: {error}\n")
        return 1
    return 0


def _print_line(line: str) -> None:
    sys.stderr.write(line + "\n")


async def _run(settings: ServerSettings, tools: pulumi_cli.Toolchain, manager: ServiceManager) -> None:
    stop_requested = stop_signals.on_stop_signal()
    logs.warn(settings.warnings())
    async with running(settings, tools) as ephd:
        discovery.write(ephd.local_url, ephd.token_file)
        try:
            sys.stderr.write(wording.startup.listening(settings.api_url, settings.url_template))
            manager.report_ready()
            await stop_signals.wait_for_stop(stop_requested, ephd.wait_for_failure())
        finally:
            discovery.remove()
    stop_signals.exit_soon()

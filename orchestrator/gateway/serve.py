"""Starts and stops the gateway: a socket, a pool, and a timer that saves traffic every five seconds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from orchestrator.gateway.access.guess_limiter import GuessLimiter
from orchestrator.gateway.gateway_server import Gateway, GatewaySettings
from orchestrator.gateway.proxy import http_proxy
from orchestrator.gateway.route_directory import RouteDirectory
from orchestrator.gateway.tls import TlsListener
from orchestrator.gateway.wake.traffic_log import TrafficLog

log = logging.getLogger("eph.gateway")

SAVE_SECONDS = 5.0
# aiohttp waits this long twice: for requests to end, then for those that it cancelled.
DIRECTORY_CHECK_SECONDS = 2.0
STOP_SECONDS = 1.0
KEEPALIVE_SECONDS = 75.0
MAX_FIELD = 16 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @staticmethod
    def parse(text: str) -> Address:
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{text!r} is not a valid address; use a value such as 127.0.0.1:8080")
        return Address(host.strip("[]") or "127.0.0.1", int(port))


@contextlib.asynccontextmanager
async def running_gateway(
    address: Address,
    settings: GatewaySettings,
    directory: Path,
    limits: GuessLimiter | None = None,
    tls: TlsListener | None = None,
) -> AsyncIterator[Address]:
    """Runs the gateway while the block lasts and returns its address, which matters for port 0. With ``tls``, it
    listens there, too."""
    traffic = TrafficLog(directory, time.time)
    async with http_proxy.open_client(directory, settings.api_tls) as client:
        gateway = Gateway(settings, RouteDirectory(directory), limits or GuessLimiter(), traffic, client)
        runner = web.ServerRunner(_server(gateway), shutdown_timeout=STOP_SECONDS)
        await runner.setup()
        site = web.TCPSite(runner, address.host, address.port, backlog=1024)
        _save(traffic)  # from now on, visitors are recorded
        background = [asyncio.create_task(_save_periodically(traffic))]
        try:
            await site.start()
            if tls is not None:
                background.append(asyncio.create_task(tls.certificate.keep_current()))
                context = tls.certificate.context
                await web.TCPSite(runner, tls.host, tls.port, backlog=1024, ssl_context=context).start()
            host, port = runner.addresses[0][:2]
            yield Address(host, port)
        finally:
            for task in background:
                task.cancel()
            await runner.cleanup()
            _save(traffic)


async def run(address: Address, settings: GatewaySettings, directory: Path, tls: TlsListener | None = None) -> None:
    """Runs until SIGTERM or SIGINT, or until its folder is gone, because then nothing uses it any more. Open requests
    get two seconds."""
    # A proxy allocates much and keeps little: the garbage collector would scan it all repeatedly for nothing.
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running_gateway(address, settings, directory, tls=tls) as got:
        log.info("the gateway listens on http://%s:%s", got.host, got.port)
        if tls is not None:
            log.info("the gateway listens on https://%s:%s", tls.host, tls.port)
        while await asyncio.to_thread(directory.exists) and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), DIRECTORY_CHECK_SECONDS)


def _server(gateway: Gateway) -> web.Server:
    return web.Server(
        gateway.handle,
        # If a client disconnects, its request to the upstream ends immediately, too.
        handler_cancellation=True,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE_SECONDS,
        max_line_size=MAX_FIELD,
        max_field_size=MAX_FIELD,
    )


async def _save_periodically(traffic: TrafficLog) -> None:
    while True:
        await asyncio.sleep(SAVE_SECONDS)
        _save(traffic)


def _save(traffic: TrafficLog) -> None:
    try:
        traffic.save()
    except OSError as error:
        log.warning("can't save the times of the last visits, keeping them in memory: %s", error)

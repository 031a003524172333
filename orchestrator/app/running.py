"""A whole ephd for as long as a block lasts: locks, the API, and a System on the real outsides.

The API starts first, so ``/healthz`` responds at once and ``/readyz`` after the first cycle. The gateway is stopped
only on request, because previews continue to respond while ephd restarts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from orchestrator.app import outside
from orchestrator.app.api import create_api
from orchestrator.app.compose import compose
from orchestrator.app.ports import Ports
from orchestrator.app.system import System
from orchestrator.auth import local_token
from orchestrator.auth.sharing.sql_share_links import SqlShareLinks
from orchestrator.auth.sql_tokens import SqlTokens
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.forges.port import Forge
from orchestrator.ledger.observed_ledger import ObservedLedger
from orchestrator.runtime import clock
from orchestrator.runtime.server.addresses import open_listener
from orchestrator.runtime.server.home_lock import lock_home
from orchestrator.runtime.server.lifecycle import wait_for_failure
from orchestrator.runtime.server.shared_folder import lock_shared_folder
from orchestrator.service.channels.announcer import open_announcer
from orchestrator.service.traces.trace_exporter import open_exporter
from orchestrator.surfaces.api.serving.api_server import served_api
from orchestrator.surfaces.api.serving.replica_server import open_leader_proxy, served_to_replicas
from orchestrator.surfaces.leader_proxy import App
from stacks.backends.inventory import StackInventory
from stacks.operations.worker_settings import WorkerSettings
from stacks.toolchain.pulumi_cli import Toolchain

WORKER_THREADS = 32
"""For blocking calls to the Git host, targets and the event log. A slow target must not keep the others waiting."""


@dataclass(frozen=True, slots=True)
class RunningEphd:
    """``token_file`` lets this machine's ``eph`` in as admin, at ``local_url``."""

    settings: ServerSettings
    system: System
    api: tuple[asyncio.Task[None], ...]
    worker: WorkerSettings
    local_url: str

    @property
    def token_file(self) -> Path:
        return local_token.token_file(self.settings.shared_dir)

    async def wait_for_failure(self) -> None:
        """Raises when a part has ended that should not; never returns while all is well."""
        await wait_for_failure([*self.api, *self.system.tasks])


@contextlib.asynccontextmanager
async def running(
    settings: ServerSettings, tools: Toolchain, stop_gateway: bool = False, forge: Forge | None = None
) -> AsyncIterator[RunningEphd]:
    """``forge``: a Git host in place of the one in the settings."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WORKER_THREADS, "eph"))
    async with contextlib.AsyncExitStack() as exits:
        listener = exits.enter_context(contextlib.closing(open_listener("listen", settings.listen)))
        exits.enter_context(lock_home(settings.home))
        exits.enter_context(lock_shared_folder(settings))
        forge = forge or outside.create_forge(settings)
        exits.callback(forge.close)
        worker = outside.create_worker_settings(settings, tools)
        inventory = StackInventory(worker.backend)
        options = outside.create_options(settings, inventory)
        probe = outside.create_probe(settings)
        ports = outside.create_ports(settings, worker, inventory, tools.version, forge, probe)
        exits.callback(ports.ledger.close)
        exits.callback(ports.costs.close)
        exits.push_async_callback(probe.close)
        system = compose(await _with_reports(ports, settings, exits), options)
        if stop_gateway:
            exits.push_async_callback(asyncio.to_thread, system.ports.gateway.stop)
        tokens = SqlTokens(settings.ledger_database_url)
        exits.callback(tokens.close)
        share_links = SqlShareLinks(settings.ledger_database_url)
        exits.callback(share_links.close)
        app: App = create_api(settings, system, tokens, share_links)
        if system.leadership.has_replicas:
            app = proxy = open_leader_proxy(app, system.leadership, settings.replicas)
            exits.push_async_callback(proxy.close)
        served = served_api(app, listener, settings, system.ports.gateway.write_api_url)
        api = await exits.enter_async_context(served)
        more = await exits.enter_async_context(served_to_replicas(app, settings))
        await exits.enter_async_context(system)
        yield RunningEphd(settings, system, (*api.tasks, *more), worker, api.local_url)


async def _with_reports(ports: Ports, settings: ServerSettings, exits: contextlib.AsyncExitStack) -> Ports:
    """Announcements and traces, which see what a System does."""
    client = await exits.enter_async_context(httpx.AsyncClient())
    announcer = open_announcer(settings.channels, client, clock.system)
    traces = open_exporter(settings, client, ports.operations.steps)
    exits.push_async_callback(announcer.close)
    exits.push_async_callback(traces.close)
    listeners = (*ports.listeners, announcer.on_cycle, traces.on_cycle)
    return replace(ports, ledger=ObservedLedger(ports.ledger, (traces.on_event,)), listeners=listeners)

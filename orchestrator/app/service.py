"""ephd put together: every room's parts, started in an order in which nothing waits for what comes later.

Start: keys and folders, the toolchain, what targets share, what an earlier life left running, the gateway, the API,
the loop. Stop: the loop, running operations (interrupted, their state saved), the API, and the gateway only when
asked to, because previews go on while ephd restarts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path

import httpx
import uvicorn

from orchestrator.app.desk import Behind, LocalDesk
from orchestrator.app.door import Door, Doorkeeper
from orchestrator.app.shows import Herald, States
from orchestrator.config import keys
from orchestrator.config.settings import Settings
from orchestrator.core.model import Key
from orchestrator.core.policy import Policy
from orchestrator.forge.github import webhooks
from orchestrator.forge.github.client import GITHUB, GitHubForge
from orchestrator.ledger import kinds
from orchestrator.ledger.store import SqlLedger
from orchestrator.runtime import clock
from orchestrator.runtime.executor import Executor, Means
from orchestrator.runtime.forge_facts import ForgeReader
from orchestrator.runtime.health import Monitor
from orchestrator.runtime.journal import Journal
from orchestrator.runtime.loop import Loop, Parts
from orchestrator.runtime.memory import Memory
from orchestrator.runtime.observe import Observer, Sources
from orchestrator.runtime.recipes import Recipes, Rules
from orchestrator.runtime.wakeups import Wakeups
from orchestrator.surfaces.api.app import create_app
from orchestrator.surfaces.api.settings import ApiSettings, Role, Token, Webhook, local_token
from orchestrator.surfaces.reporter import Reporter
from programs import registry
from stacks import records
from stacks.inventory import FileInventory
from stacks.places import Places
from stacks.pool import Pool
from stacks.toolchain import Toolchain

log = logging.getLogger("eph")

PROBE_SECONDS = 5.0
DOOR_EVERY = 5.0


def version() -> str:
    return metadata.version("eph")


def places(settings: Settings, tools: Toolchain) -> Places:
    return Places(
        backend=settings.backend_dir,
        work=settings.work_dir,
        operations=settings.operations_dir,
        pulumi_home=settings.pulumi_home,
        passphrase_file=keys.passphrase_file(settings.keys_dir),
        tools=tools.path,
    )


def policy(settings: Settings) -> Policy:
    """The settings' policy, with the versions of the programs that would build now."""
    versions = {name: registry.get(name).version for name in registry.names()}
    return replace(settings.policy(), program_versions=versions)


@dataclass(slots=True)
class Service:
    """A running ephd. ``token_file`` lets this machine's ``eph`` in as admin."""

    settings: Settings
    loop: Loop
    desk: LocalDesk
    wakeups: Wakeups
    places: Places
    token_file: Path


class Wiring:
    """The parts in the order of their making; ``running`` is the whole of them alive."""

    def __init__(self, settings: Settings, tools: Toolchain) -> None:
        self.settings = settings
        self.places = places(settings, tools)
        self.memory = Memory()
        self.wakeups = Wakeups()
        self.ledger = SqlLedger(settings.events_url)
        self.journal = Journal(self.ledger, clock.system)
        self.forge = GitHubForge(settings.forge.url or GITHUB, settings.forge.read_token(), settings.forge.repositories)
        self.pool = Pool(self.places, tools.version, settings.workers)
        self.targets = {"local": settings.local_settings()}
        self.policy = policy(settings)
        self.door = Doorkeeper(Door(settings.gateway_listen, settings.listen, settings.gateway_dir, settings.domain))
        self.herald = Herald(Reporter(self.forge, clock.system), self.journal)

    def prepare(self) -> None:
        """Blocking: folders, what targets share, what an earlier life left running."""
        self.places.prepare()
        self.settings.routes_dir.mkdir(parents=True, exist_ok=True)
        for ref in self.pool.recover():
            self.journal.tell(kinds.OPERATION_RECOVERED, "an operation of an earlier life was ended", str(ref))
        for name, told in self.targets.items():
            registry.get(name).ensure(told)
        self.memory.recall(records.last(self.places).values())

    def loop(self, probe: GatewayProbe) -> tuple[Loop, Executor, Monitor]:
        executor = Executor(self._means(), self.memory)
        monitor = Monitor(probe, clock.system, self.wakeups.wake)
        sources = Sources(
            forge=ForgeReader(self.forge, self._recipes(), self.policy.trusted_authors_only),
            inventory=FileInventory(self.places.backend),
            targets={name: partial(registry.get(name).names, told) for name, told in self.targets.items()},
            health=monitor.answers,
            lanes=executor,
        )
        parts = Parts(Observer(sources, self.memory), executor, monitor, self.journal, self.wakeups)
        loop = Loop(parts, self.policy, clock.system, self.settings.interval)
        loop.audience = (States(self.settings.gateway_dir).show, self.herald.show)
        self.herald.why = executor.why
        self.pool.emptied = self.herald.destroyed
        return loop, executor, monitor

    def _recipes(self) -> Recipes:
        key = keys.server_key(self.settings.keys_dir)
        rules = Rules(self.settings.bounds(), key, self.settings.domain, self.targets)
        return Recipes(self.forge, rules, clock.system)

    def _means(self) -> Means:
        return Means(
            operations=self.pool,
            forge=self.forge,
            settings=self.targets,
            deadline=self.settings.deadline.total_seconds(),
            clock=clock.system,
            journal=self.journal,
            woken=self.wakeups.wake,
            looked=lambda: self.wakeups.wake(look=True),
        )

    def desk(self, loop: Loop, executor: Executor) -> LocalDesk:
        return LocalDesk(
            Behind(
                version=version(),
                started=clock.system(),
                loop=loop,
                executor=executor,
                memory=self.memory,
                journal=self.journal,
                wakeups=self.wakeups,
                forge=self.forge,
                ledger=self.ledger,
                places=self.places,
                settings=lambda target: self.targets.get(target, {}),
                clock=clock.system,
            )
        )

    def api(self) -> ApiSettings:
        token = local_token(self.settings.home)
        return ApiSettings(
            version=version(),
            tokens=(Token.of(token, "local", Role.ADMIN),),
            webhook=self._webhook(),
            session_key=keys.server_key(self.settings.keys_dir),
        )

    def _webhook(self) -> Webhook | None:
        secret = self.settings.forge.read_webhook_secret().encode()
        if not secret:
            return None

        def received(event: str, body: bytes, signature: str) -> bool:
            """Answers at once: all it does is wake the loop, and only for what may concern us."""
            if not webhooks.verify(secret, body, signature):
                return False
            if isinstance(webhooks.key_of(event, body), Key | int):
                self.wakeups.wake_soon(look=True)
            return True

        return received


class GatewayProbe:
    """Asks an environment's URL the way people do: through the gateway, by host name."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._client = httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False, follow_redirects=False)

    async def __call__(self, host: str, path: str) -> tuple[bool, str]:
        try:
            answer = await self._client.get(
                f"http://{self._gateway}{path}", headers={"Host": host, "User-Agent": "eph-health", "X-Eph-Probe": "1"}
            )
        except httpx.HTTPError as error:
            return False, f"{path} gave no answer ({type(error).__name__})"
        ok = 200 <= answer.status_code < 400
        return ok, f"{path} answered {answer.status_code}"

    async def close(self) -> None:
        await self._client.aclose()


@contextlib.asynccontextmanager
async def running(settings: Settings, tools: Toolchain, stop_gateway: bool = False) -> AsyncIterator[Service]:
    """A whole ephd for as long as the block lasts."""
    wiring = Wiring(settings, tools)
    probe = GatewayProbe(settings.gateway_listen)
    await asyncio.to_thread(wiring.prepare)
    await wiring.pool.open()
    loop, executor, monitor = wiring.loop(probe)
    desk = wiring.desk(loop, executor)
    server = _server(settings, desk, wiring.api())
    await wiring.door.ensure()
    tasks = [
        _named("api", server.serve()),
        _named("door", wiring.door.keep(DOOR_EVERY)),
        _named("herald", wiring.herald.run()),
        _named("loop", loop.run()),
    ]
    wiring.journal.tell(kinds.SERVICE_STARTED, f"eph {version()}")
    try:
        yield Service(settings, loop, desk, wiring.wakeups, wiring.places, settings.keys_dir / "api.token")
    finally:
        await _end(tasks[1:])
        await wiring.pool.close()
        await executor.close()
        await monitor.close()
        server.should_exit = True
        await asyncio.gather(tasks[0], return_exceptions=True)
        await probe.close()
        if stop_gateway:
            await asyncio.to_thread(wiring.door.stop)
        wiring.journal.tell(kinds.SERVICE_STOPPED, "asked to stop")
        wiring.ledger.close()
        wiring.forge.close()


class _Server(uvicorn.Server):
    """Signals are ephd's, not the web server's."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def _server(settings: Settings, desk: LocalDesk, api: ApiSettings) -> _Server:
    host, port = settings.listen_on
    # Not uvloop: it breaks Pulumi's own event loop (pulumi #17588), and one loop everywhere is one less surprise.
    config = uvicorn.Config(
        create_app(desk, api), host=host, port=port, loop="asyncio", log_level="warning", access_log=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    return _Server(config)


def _named(name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work, name=name)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

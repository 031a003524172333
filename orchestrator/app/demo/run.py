"""``eph demo``: brings everything up, shows it or plays its story, and takes everything away again."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from orchestrator.app import service
from orchestrator.app.demo import clusters, dead, hosts, leftovers, live, world
from orchestrator.app.demo.bases import NoBase
from orchestrator.app.demo.clusters import NoCluster, Site
from orchestrator.app.demo.elsewhere import StoryElsewhere
from orchestrator.app.demo.emulate import EmulateForge, NoEmulate
from orchestrator.app.demo.outside import StepFailed
from orchestrator.app.demo.pushing import NotPushed
from orchestrator.app.demo.story import Figures, Story
from orchestrator.app.demo.world import World
from orchestrator.app.door import GatewayTrouble
from orchestrator.app.service import Service
from orchestrator.cli import discovery
from orchestrator.forge.sandbox.world import WorldError
from programs import registry
from stacks import plugins, toolchain
from stacks.toolchain import NoToolchain, Toolchain

DEFAULT_PORT = 8080
HIGHEST_PORT = 65535
_MISSING = (NoEmulate, NoCluster, NoBase, NotPushed)


class Unusable(Exception):
    """What was asked for cannot be had; the message says what to do."""


def main(args: list[str]) -> int:
    options = _options(args)
    console = Console(stderr=True)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")
    try:
        port = _port(options.port)
        if options.forge != hosts.SANDBOX and not options.once:
            raise Unusable(f"{options.forge} has no pages to click on; add --once, which plays the story")
        cluster = _cluster(options)
        say = partial(_say, console)
        tools = plugins.beside(toolchain.ensure(say), [options.target], say)
        for gone in dead.sweep(say):
            say(f"took away what a killed demo had left in {gone}")
        return asyncio.run(_cancelled_by_signals(_demo(Play(options, tools, port, cluster), console)))
    except (Unusable, *_MISSING, NoToolchain, GatewayTrouble, WorldError) as error:
        _say(console, f"demo: {error}", "red")
        return 1


def _say(console: Console, line: str, style: str = "") -> None:
    """A terminal that was closed hears nothing more, and keeps nothing from being taken away. (rich exits when it was a
    pipe.)"""
    with contextlib.suppress(OSError, SystemExit):
        console.print(line, style=style, highlight=False, soft_wrap=True, markup=False)


@dataclass(frozen=True, slots=True)
class Play:
    """What was asked for, and what there is for it."""

    options: argparse.Namespace
    tools: Toolchain
    port: int
    cluster: Site | None


def _options(args: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="eph demo", description="A whole Eph on this machine, with a sample shop.")
    parser.add_argument("--port", type=int, help=f"of previews, dashboard and API; {DEFAULT_PORT}, or a free one")
    parser.add_argument("--no-open", action="store_true", help="don't open URLs in a browser")
    parser.add_argument("--once", action="store_true", help="play the whole story unattended, check it, and end")
    parser.add_argument(
        "--forge",
        choices=(hosts.SANDBOX, hosts.EMULATE),
        default=hosts.SANDBOX,
        help="the Git host: Eph's own small one, or with --once the npm package emulate, where Eph is a GitHub App",
    )
    parser.add_argument(
        "--target",
        choices=(world.LOCAL, clusters.TARGET),
        default=world.LOCAL,
        help="what previews are made of: processes of this machine, or namespaces of a cluster",
    )
    clusters.add_options(parser)
    return parser.parse_args(args)


def _cluster(options: argparse.Namespace) -> Site | None:
    if options.target == world.LOCAL:
        return None
    if options.forge != hosts.SANDBOX:
        raise Unusable(f"{options.forge} plays on the target {world.LOCAL} only; leave --forge or --target out")
    return clusters.look(options, os.environ)


def _port(wanted: int | None) -> int:
    if wanted is None:
        return DEFAULT_PORT if world.is_free(DEFAULT_PORT) else world.free_port()
    if not 0 <= wanted <= HIGHEST_PORT:
        raise Unusable(f"{wanted} is no port; give one up to {HIGHEST_PORT} with --port, or none for a free one")
    if not world.is_free(wanted):
        raise Unusable(f"port {wanted} is taken; give another with --port, or none for a free one")
    return wanted


async def _cancelled_by_signals(work: Coroutine[None, None, int]) -> int:
    """Ctrl-C and SIGTERM end the demo the same way: by taking everything away."""
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 130


async def _demo(play: Play, console: Console) -> int:
    opened = world.opened(play.port, play.options.forge, play.cluster, partial(_say, console))
    try:
        with opened as made, dead.recorded(made.home), _target(made, console):
            figures, left = await _with_service(play, made, console)
            left += leftovers.of_operations(made.home)
    except StepFailed as failed:
        _say(console, f"demo: {failed}", "red")
        return 1
    return _account(figures, [*left, *leftovers.of_the_demo(made.home, _ports(made, figures))], console)


async def _with_service(play: Play, made: World, console: Console) -> tuple[Figures, list[str]]:
    async with service.running(made.settings, play.tools, stop_gateway=True) as alive:
        made.pulumi_environment = {**os.environ, **alive.places.environment()}
        made.token_file = alive.token_file
        discovery.write(f"http://127.0.0.1:{made.ports.api}", alive.token_file)
        try:
            figures = await _act(play.options, made, alive, console)
            return figures, await asyncio.to_thread(_left_of_environments, made, figures)
        finally:
            discovery.remove()


async def _act(options: argparse.Namespace, made: World, alive: Service, console: Console) -> Figures:
    if not options.once:
        await live.run(made, alive, console, open_browser=not options.no_open)

    say = partial(_say, console)
    if isinstance(made.forge, EmulateForge):
        return await StoryElsewhere(made, made.forge, say).play()
    return await Story(made, say).play()


def _left_of_environments(made: World, figures: Figures) -> list[str]:
    return leftovers.of_environments(made.home, figures.names, made.target, made.target_settings)


def _ports(made: World, figures: Figures) -> set[int]:
    return {made.ports.gateway, made.ports.api, made.ports.forge, *figures.ports}


def _account(figures: Figures, left: list[str], console: Console) -> int:
    for line in left:
        _say(console, f"left behind: {line}", "red")
    sys.stdout.write(
        f"demo: {len(figures.names)} environments, label to URL {figures.label_to_url:.1f} s, "
        f"update {figures.update:.1f} s, leftovers {len(left)}\n"
    )
    return 1 if left else 0


@contextlib.contextmanager
def _target(made: World, console: Console) -> Iterator[None]:
    """Everything that the target keeps running for all environments ends with the demo; on a cluster, which outlives
    it, also the environments."""
    settings = made.target_settings
    if made.cluster:
        dead.remember(made.home, settings)
    try:
        yield
    finally:
        registry.get(made.target).stop(settings)
        for line in clusters.clear(settings, partial(_say, console)) if made.cluster else ():
            _say(console, f"left behind: {line}", "red")

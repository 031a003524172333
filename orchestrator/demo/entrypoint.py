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

from orchestrator.app.running import RunningEphd, running
from orchestrator.cli import discovery
from orchestrator.demo import crash_cleanup, demo_world, git_hosts, leak_check, live
from orchestrator.demo.cluster import demo_cluster
from orchestrator.demo.cluster.base_images import BaseImageUnavailable
from orchestrator.demo.cluster.demo_cluster import ClusterUnavailable, DemoCluster
from orchestrator.demo.cluster.registry_push import PushFailed
from orchestrator.demo.demo_world import DemoWorld
from orchestrator.demo.emulate.emulate_host import EmulateHost, EmulateUnavailable
from orchestrator.demo.github.demo_github import DemoGitHubError
from orchestrator.demo.story.blackbox import StepFailed
from orchestrator.demo.story.emulate_story import EmulateStory
from orchestrator.demo.story.story import Story, StoryResult
from orchestrator.runtime.server.gateway_process import GatewayError
from programs import registry
from stacks.toolchain import plugins, pulumi_cli
from stacks.toolchain.pulumi_cli import Toolchain, ToolchainNotFound

DEFAULT_PORT = 8080
MAX_PORT = 65535
_UNAVAILABLE_ERRORS = (EmulateUnavailable, ClusterUnavailable, BaseImageUnavailable, PushFailed)


class DemoUnavailable(Exception):
    """What was asked for cannot be had; the message says what to do."""


def main(args: list[str]) -> int:
    options = _parse_options(args)
    console = Console(stderr=True)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")
    try:
        port = _choose_port(options.port)
        if options.forge != git_hosts.SANDBOX and not options.once:
            raise DemoUnavailable(f"{options.forge} has no pages to click on; add --once, which plays the story")
        cluster = _find_cluster(options)
        say = partial(_print_line, console)
        tools = plugins.with_plugins(pulumi_cli.ensure(say), [options.target], say)
        for gone in crash_cleanup.clean_up(say):
            say(f"took away what a killed demo had left in {gone}")
        return asyncio.run(_cancelled_by_signals(_run_demo(DemoRun(options, tools, port, cluster), console)))
    except (DemoUnavailable, *_UNAVAILABLE_ERRORS, ToolchainNotFound, GatewayError, DemoGitHubError) as error:
        _print_line(console, f"demo: {error}", "red")
        return 1


def _print_line(console: Console, line: str, style: str = "") -> None:
    """A terminal that was closed hears nothing more, and keeps nothing from being taken away. (rich exits when it was a
    pipe.)"""
    with contextlib.suppress(OSError, SystemExit):
        console.print(line, style=style, highlight=False, soft_wrap=True, markup=False)


@dataclass(frozen=True, slots=True)
class DemoRun:
    """What was asked for, and what there is for it."""

    options: argparse.Namespace
    tools: Toolchain
    port: int
    cluster: DemoCluster | None


def _parse_options(args: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="eph demo", description="A whole Eph on this machine, with a sample shop.")
    parser.add_argument("--port", type=int, help=f"of previews, dashboard and API; {DEFAULT_PORT}, or a free one")
    parser.add_argument("--no-open", action="store_true", help="don't open URLs in a browser")
    parser.add_argument("--once", action="store_true", help="play the whole story unattended, check it, and end")
    parser.add_argument(
        "--forge",
        choices=(git_hosts.SANDBOX, git_hosts.EMULATE),
        default=git_hosts.SANDBOX,
        help="the Git host: Eph's own small one, or with --once the npm package emulate, where Eph is a GitHub App",
    )
    parser.add_argument(
        "--target",
        choices=(demo_world.LOCAL, demo_cluster.TARGET),
        default=demo_world.LOCAL,
        help="what previews are made of: processes of this machine, or namespaces of a cluster",
    )
    demo_cluster.add_options(parser)
    return parser.parse_args(args)


def _find_cluster(options: argparse.Namespace) -> DemoCluster | None:
    if options.target == demo_world.LOCAL:
        return None
    if options.forge != git_hosts.SANDBOX:
        raise DemoUnavailable(
            f"{options.forge} plays on the target {demo_world.LOCAL} only; leave --forge or --target out"
        )
    return demo_cluster.discover(options, os.environ)


def _choose_port(requested: int | None) -> int:
    if requested is None:
        return DEFAULT_PORT if demo_world.is_free(DEFAULT_PORT) else demo_world.free_port()
    if not 0 <= requested <= MAX_PORT:
        raise DemoUnavailable(f"{requested} is no port; give one up to {MAX_PORT} with --port, or none for a free one")
    if not demo_world.is_free(requested):
        raise DemoUnavailable(f"port {requested} is taken; give another with --port, or none for a free one")
    return requested


async def _cancelled_by_signals(work: Coroutine[None, None, int]) -> int:
    """Ctrl-C and SIGTERM end the demo the same way: by taking everything away."""
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 130


async def _run_demo(run: DemoRun, console: Console) -> int:
    opened = demo_world.open_world(run.port, run.options.forge, run.cluster, partial(_print_line, console))
    try:
        with opened as made, crash_cleanup.record_process(made.home), _stop_target_after(made, console):
            figures, left = await _run_system(run, made, console)
            left += leak_check.operation_leaks(made.home)
    except StepFailed as failed:
        _print_line(console, f"demo: {failed}", "red")
        return 1
    return _print_summary(figures, [*left, *leak_check.demo_leaks(made.home, _used_ports(made, figures))], console)


async def _run_system(run: DemoRun, world: DemoWorld, console: Console) -> tuple[StoryResult, list[str]]:
    async with running(world.settings, run.tools, stop_gateway=True) as ephd:
        world.pulumi_environment = {**os.environ, **ephd.worker.environment()}
        world.token_file = ephd.token_file
        discovery.write(f"http://127.0.0.1:{world.ports.api}", ephd.token_file)
        try:
            figures = await _play(run.options, world, ephd, console)
            return figures, await asyncio.to_thread(_environment_leaks, world, figures)
        finally:
            discovery.remove()


async def _play(options: argparse.Namespace, world: DemoWorld, ephd: RunningEphd, console: Console) -> StoryResult:
    if not options.once:
        await live.run(world, ephd, console, open_browser=not options.no_open)

    say = partial(_print_line, console)
    if isinstance(world.forge, EmulateHost):
        return await EmulateStory(world, world.forge, say).play()
    return await Story(world, say).play()


def _environment_leaks(world: DemoWorld, result: StoryResult) -> list[str]:
    return leak_check.environment_leaks(world.home, result.names, world.target, world.target_settings)


def _used_ports(world: DemoWorld, result: StoryResult) -> set[int]:
    return {world.ports.gateway, world.ports.api, world.ports.forge, *result.ports}


def _print_summary(result: StoryResult, leaks: list[str], console: Console) -> int:
    for line in leaks:
        _print_line(console, f"left behind: {line}", "red")
    sys.stdout.write(
        f"demo: {len(result.names)} environments, label to URL {result.label_to_url:.1f} s, "
        f"update {result.update:.1f} s, leftovers {len(leaks)}\n"
    )
    return 1 if leaks else 0


@contextlib.contextmanager
def _stop_target_after(world: DemoWorld, console: Console) -> Iterator[None]:
    """Everything that the target keeps running for all environments ends with the demo; on a cluster, which outlives
    it, also the environments."""
    settings = world.target_settings
    if world.cluster:
        crash_cleanup.record_cluster(world.home, settings)
    try:
        yield
    finally:
        registry.get(world.target).stop(settings)
        for line in demo_cluster.remove_environments(settings, partial(_print_line, console)) if world.cluster else ():
            _print_line(console, f"left behind: {line}", "red")

"""``eph demo``: start everything, run interactively or play the story, then remove everything."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from orchestrator.app.running import RunningEphd, running
from orchestrator.auth import local_token
from orchestrator.cli import discovery
from orchestrator.cli.discovery import LocalServerKind
from orchestrator.config.problems import InvalidSettings
from orchestrator.demo import (
    crash_cleanup,
    demo_world,
    free_ports,
    git_hosts,
    leak_check,
    live,
    own_repository,
    wording,
)
from orchestrator.demo.airflow import airflow_process, pipeline_repository
from orchestrator.demo.airflow.airflow_process import AirflowUnavailable
from orchestrator.demo.cloud import cloud_repository
from orchestrator.demo.cluster import demo_cluster
from orchestrator.demo.cluster.base_images import BaseImageUnavailable
from orchestrator.demo.cluster.demo_cluster import ClusterUnavailable, DemoCluster
from orchestrator.demo.cluster.registry_push import PushFailed
from orchestrator.demo.containers import demo_engine
from orchestrator.demo.containers.demo_engine import DemoEngine
from orchestrator.demo.containers.engine_process import EngineUnavailable
from orchestrator.demo.demo_world import DemoOptions, DemoWorld
from orchestrator.demo.emulate.emulate_host import EmulateHost, EmulateUnavailable
from orchestrator.demo.github.demo_github import DemoGitHubError
from orchestrator.demo.ministack import demo_account
from orchestrator.demo.ministack.errors import MinistackUnavailable
from orchestrator.demo.own_repository import OwnRepository, RepositoryUnusable
from orchestrator.demo.story.aws_story import AwsStory
from orchestrator.demo.story.blackbox import StepFailed
from orchestrator.demo.story.deploy_story import DeployStory
from orchestrator.demo.story.emulate_story import EmulateStory
from orchestrator.demo.story.pipeline_story import PipelineStory
from orchestrator.demo.story.project_story import ProjectStory
from orchestrator.demo.story.server_process import ServerProcess
from orchestrator.demo.story.story import Story, StoryResult
from orchestrator.runtime.server.gateway_process import GatewayError
from programs import registry
from programs.kit.processes import ports
from stacks.toolchain import plugins, pulumi_cli
from stacks.toolchain.pulumi_cli import Toolchain, ToolchainNotFound

DEFAULT_PORT = 8080
UNATTENDED_TARGETS = (cloud_repository.TARGET, pipeline_repository.TARGET, demo_account.TARGET)
PREVIEWS, DEPLOYS = "previews", "deploys"
"""The stories."""
MAX_PORT = 65535
_UNAVAILABLE_ERRORS = (
    AirflowUnavailable,
    EmulateUnavailable,
    EngineUnavailable,
    ClusterUnavailable,
    BaseImageUnavailable,
    MinistackUnavailable,
    PushFailed,
    InvalidSettings,
    RepositoryUnusable,
)


class DemoUnavailable(Exception):
    """The options can't be used here; the message says what to do."""


def main(args: list[str]) -> int:
    options = _parse_options(args)
    console = Console(stderr=True)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")
    try:
        port = _choose_port(options.port)
        _check_options(options, os.environ)
        cluster = _find_cluster(options)
        own = own_repository.inspect(options.repo) if options.repo else None
        say = partial(_print_line, console)
        if own and own.dirty:
            say(wording.uncommitted(own.folder))
        tools = pulumi_cli.ensure(say)
        if options.target == cloud_repository.TARGET:
            plugins.ensure(plugins.LANGUAGE_YAML, say)
        engine = demo_engine.discover(os.environ, say) if options.target == demo_engine.TARGET else None
        airflow = airflow_process.find_python() if options.target == pipeline_repository.TARGET else ""
        ministack = demo_account.find_python() if options.target == demo_account.TARGET else ""
        tools = plugins.with_plugins(tools, [options.target], say)
        for folder in crash_cleanup.clean_up(say):
            say(wording.cleaned_up(folder))
        run = DemoRun(options, tools, port, cluster, own, engine, airflow, ministack)
        return asyncio.run(_cancelled_by_signals(_run_demo(run, console)))
    except (DemoUnavailable, *_UNAVAILABLE_ERRORS, ToolchainNotFound, GatewayError, DemoGitHubError) as error:
        _print_line(console, wording.error(error), "red")
        return 1


def _print_line(console: Console, line: str, style: str = "") -> None:
    """A closed terminal must not prevent the cleanup, so failures are ignored. (rich exits when a pipe is closed.)"""
    with contextlib.suppress(OSError, SystemExit):
        console.print(line, style=style, highlight=False, soft_wrap=True, markup=False)


@dataclass(frozen=True, slots=True)
class DemoRun:
    """The options, and what was found for them."""

    options: argparse.Namespace
    tools: Toolchain
    port: int
    cluster: DemoCluster | None
    own: OwnRepository | None = None
    engine: DemoEngine | None = None
    airflow: str = ""
    ministack: str = ""


def _parse_options(args: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="eph demo", description=wording.DESCRIPTION)
    parser.add_argument("--port", type=int, help=wording.port_help(DEFAULT_PORT))
    parser.add_argument("--repo", type=Path, metavar="PATH", help=wording.REPO_HELP)
    parser.add_argument("--no-open", action="store_true", help=wording.NO_OPEN_HELP)
    parser.add_argument("--once", action="store_true", help=wording.ONCE_HELP)
    parser.add_argument("--story", choices=(PREVIEWS, DEPLOYS), default=PREVIEWS, help=wording.STORY_HELP)
    parser.add_argument(
        "--forge",
        choices=(git_hosts.SANDBOX, git_hosts.EMULATE),
        default=git_hosts.SANDBOX,
        help=wording.FORGE_HELP,
    )
    parser.add_argument(
        "--target",
        choices=(demo_world.LOCAL, demo_cluster.TARGET, demo_engine.TARGET, *UNATTENDED_TARGETS),
        default=demo_world.LOCAL,
        help=wording.TARGET_HELP,
    )
    demo_cluster.add_options(parser)
    return parser.parse_args(args)


def _check_options(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Raises if options or settings contradict each other: none is ignored silently."""
    if options.forge != git_hosts.SANDBOX and not options.once:
        raise DemoUnavailable(wording.needs_once(options.forge))
    if options.target in UNATTENDED_TARGETS and not options.once:
        raise DemoUnavailable(wording.needs_once(f"--target {options.target}"))
    plain = options.forge == git_hosts.SANDBOX and options.target == demo_world.LOCAL
    if options.story == DEPLOYS and not (options.once and plain):
        raise DemoUnavailable(wording.STORY_NEEDS)
    if options.repo and options.once:
        raise DemoUnavailable(wording.only_shop("--once"))
    if options.repo and options.target != demo_world.LOCAL:
        raise DemoUnavailable(wording.only_shop(f"--target {options.target}"))
    if ignored := demo_world.settings_chosen_by_demo(environ):
        raise DemoUnavailable(wording.sets_itself(ignored))
    if options.once and environ.get("EPH_PREVIEWS__SIGN_IN") == "all":
        raise DemoUnavailable(wording.ONCE_NEEDS_OPEN_PREVIEWS)


def _find_cluster(options: argparse.Namespace) -> DemoCluster | None:
    if options.forge != git_hosts.SANDBOX and options.target != demo_world.LOCAL:
        raise DemoUnavailable(wording.needs_local(options.forge, demo_world.LOCAL))
    if options.target != demo_cluster.TARGET:
        return None
    return demo_cluster.discover(options, os.environ)


def _choose_port(requested: int | None) -> int:
    if requested is None:
        return DEFAULT_PORT if free_ports.reserve(DEFAULT_PORT) else free_ports.free_port()
    if not 0 <= requested <= MAX_PORT:
        raise DemoUnavailable(wording.invalid_port(requested, MAX_PORT))
    if not ports.is_free(requested):
        raise DemoUnavailable(wording.port_in_use(requested))
    return requested


async def _cancelled_by_signals(work: Coroutine[None, None, int]) -> int:
    """Ctrl-C, SIGTERM and a closed terminal all end the demo the same way: with a full cleanup."""
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 130


async def _run_demo(run: DemoRun, console: Console) -> int:
    in_cloud = run.options.target == cloud_repository.TARGET
    options = DemoOptions(run.options.forge, run.cluster, run.engine, run.own, in_cloud, run.airflow, run.ministack)
    opened = demo_world.open_world(run.port, options, partial(_print_line, console))
    try:
        with opened as world, crash_cleanup.record_process(world.home), _stop_target_after(world, console):
            result, leaks = await _run_system(run, world, console)
            leaks += leak_check.operation_leaks(world.home)
    except StepFailed as failed:
        _print_line(console, wording.error(failed), "red")
        return 1
    return _print_summary(result, [*leaks, *leak_check.demo_leaks(world.home, _used_ports(world, result))], console)


async def _run_system(run: DemoRun, world: DemoWorld, console: Console) -> tuple[StoryResult, list[str]]:
    _print_line(console, wording.STARTING_SERVER)
    if run.options.story == DEPLOYS:
        return await _run_deploys(run, world, console)
    async with running(world.settings, run.tools, stop_gateway=True) as ephd:
        world.pulumi_environment = {**os.environ, **ephd.worker.environment()}
        world.token_file = ephd.token_file
        discovery.write(f"http://127.0.0.1:{world.ports.api}", ephd.token_file, kind=LocalServerKind.DEMO)
        try:
            result = await _play(run.options, world, ephd, console)
            return result, await asyncio.to_thread(_environment_leaks, world, result)
        finally:
            _print_line(console, wording.STOPPING)
            discovery.remove(kind=LocalServerKind.DEMO)


async def _run_deploys(run: DemoRun, world: DemoWorld, console: Console) -> tuple[StoryResult, list[str]]:
    """With ``ephd`` in a process of its own, because the story kills it."""
    server = ServerProcess(world.home, f"http://127.0.0.1:{world.ports.api}", world.chosen, run.tools)
    try:
        await server.start()
        world.token_file = local_token.token_file(world.settings.shared_dir)
        result = await DeployStory(world, server, partial(_print_line, console)).play()
        return result, await asyncio.to_thread(_environment_leaks, world, result)
    finally:
        _print_line(console, wording.STOPPING)
        await server.stop()


async def _play(options: argparse.Namespace, world: DemoWorld, ephd: RunningEphd, console: Console) -> StoryResult:
    if not options.once:
        await live.run(world, ephd, console, open_browser=not options.no_open)

    say = partial(_print_line, console)
    if isinstance(world.forge, EmulateHost):
        return await EmulateStory(world, world.forge, say).play()
    if world.pipelines:
        return await PipelineStory(world, say).play()
    if world.aws:
        return await AwsStory(world, say).play()
    return await (ProjectStory if world.cloud else Story)(world, say).play()


def _environment_leaks(world: DemoWorld, result: StoryResult) -> list[str]:
    found = leak_check.environment_leaks(world.home, result.names, world.target, world.target_settings)
    if world.pipelines:
        found += world.pipelines.leftovers(result.names)
    if world.aws:
        found += world.aws.leftovers()
    return found + (cloud_repository.leftovers(world.cloud) if world.cloud else [])


def _used_ports(world: DemoWorld, result: StoryResult) -> set[int]:
    return {world.ports.gateway, world.ports.api, world.ports.forge, *result.ports}


def _print_summary(result: StoryResult, leaks: list[str], console: Console) -> int:
    for line in leaks:
        _print_line(console, wording.left_behind(line), "red")
    sys.stdout.write(result.summary(len(leaks)) + "\n")
    return 1 if leaks else 0


@contextlib.contextmanager
def _stop_target_after(world: DemoWorld, console: Console) -> Iterator[None]:
    """Stop what the target runs for all environments. A cluster outlives the demo, so also remove its environments."""
    settings = world.target_settings
    if world.cluster:
        crash_cleanup.record_cluster(world.home, settings)
    try:
        yield
    finally:
        registry.get(world.target).stop(settings)
        if world.engine:
            demo_engine.remove_environments(settings)
        for line in demo_cluster.remove_environments(settings, partial(_print_line, console)) if world.cluster else ():
            _print_line(console, wording.left_behind(line), "red")

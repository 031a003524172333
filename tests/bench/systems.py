"""What the rows are measured in: a whole Eph with a Git host of its own, and Pulumi without Eph beside it.

Everything is in temporary folders, listens on loopback, and goes with the block that made it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from orchestrator.app.running import RunningEphd, running
from orchestrator.config.settings.server_settings import ServerSettings
from orchestrator.core.model.world import Recipe
from orchestrator.core.views.environment_views import EnvironmentView
from orchestrator.core.views.phases import Phase
from orchestrator.demo import demo_world
from orchestrator.demo.cluster import demo_cluster
from orchestrator.demo.cluster.demo_cluster import DemoCluster
from orchestrator.demo.demo_world import REPOSITORY, DemoOptions, DemoWorld
from programs import registry
from programs.spec import EnvironmentSpec
from programs.targets.local.target import TARGET
from stacks import keys
from stacks.toolchain import plugins, pulumi_cli
from stacks.toolchain.pulumi_cli import Toolchain
from tests.bench.sizes import Size

TIMEOUT = 240.0
LIMITS = {"environments": 100, "per_repository": 100}


@cache
def tools() -> Toolchain:
    return pulumi_cli.ensure(lambda line: print(line, file=sys.stderr))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="eph-bench-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


# --- Eph


@dataclass(slots=True)
class RunningEph:
    """A running one, with what people do to it and what they see of it."""

    world: DemoWorld
    ephd: RunningEphd
    client: httpx.AsyncClient

    async def open_pulls(self, count: int, **files: str) -> list[int]:
        """``files``: of each, by path."""
        return await asyncio.to_thread(self._open_pulls, count, files)

    def _open_pulls(self, count: int, files: Mapping[str, str]) -> list[int]:
        found = []
        for number in range(count):
            branch = f"change-{number}-{time.monotonic_ns()}"
            self.world.forge.push(REPOSITORY, branch, {"colour.txt": f"#{number:06x}\n", **files}, branch)
            found.append(self.world.forge.open_pull(REPOSITORY, branch, branch))
        return found

    async def label(self, number: int) -> None:
        await asyncio.to_thread(self.world.forge.label, REPOSITORY, number, demo_world.LABEL)

    async def seconds_until_ready(self, number: int) -> float:
        """Seconds from its label to its answer."""
        begun = time.monotonic()
        await self.label(number)
        await self.wait_until_answering([number])
        return time.monotonic() - begun

    def spec(self, number: int) -> EnvironmentSpec:
        facts = next(iter(self.ephd.system.cycles.latest.forge.facts.values()))
        recipe = facts.requests[keys.pull_request(facts.id, number)].recipe
        if not isinstance(recipe, Recipe):
            raise TypeError(f"eph.yaml is not valid: {recipe.problems}")
        return recipe.spec

    async def wait_until_answering(self, numbers: Sequence[int], commit: str = "") -> None:
        """Returns when all their URLs answer through the gateway, with that commit's page if one is given.

        The pages are asked for only once Eph calls them ready: a crowd that asks all the time would be measured too.
        """
        waiting = set(numbers)
        async with asyncio.timeout(TIMEOUT):
            while waiting:
                await asyncio.sleep(0.02)
                waiting -= {view.key.number for view in self._ready_views(commit) if view.key}
        for view in self.ephd.system.service.environments():
            if view.key and view.key.number in numbers:
                await self._check_page(view, commit)

    def _ready_views(self, commit: str) -> list[EnvironmentView]:
        seen = self.ephd.system.service.environments()
        for view in seen:
            if view.failure is not None:
                raise RuntimeError(f"{view.name} failed: {view.failure}")
        return [view for view in seen if view.phase is Phase.READY and commit in ("", view.commit)]

    async def _check_page(self, view: EnvironmentView, commit: str) -> None:
        gateway = f"http://{self.world.settings.gateway_listen}/"
        found = await self.client.get(gateway, headers={"Host": view.host})
        if found.status_code != 200 or commit not in found.text:
            raise RuntimeError(f"{view.name} is called ready and answers {found.status_code}: {found.text[:300]}")


@asynccontextmanager
async def running_eph(
    size: Size, with_tools: Toolchain | None = None, cluster: DemoCluster | None = None, **settings: Any
) -> AsyncIterator[RunningEph]:
    """A whole one beside a sandbox of a Git host with the demo's shop; its previews on the cluster if one is given."""
    with _restore_tempdir(), demo_world.open_world(None, DemoOptions(cluster=cluster)) as made:
        made.settings = _with_changes(made.settings, {"limits": LIMITS, **settings})
        try:
            async with (
                running(made.settings, with_tools or tools(), stop_gateway=True) as ephd,
                httpx.AsyncClient(timeout=60, trust_env=False) as client,
            ):
                await _wait_for_first_cycle(ephd, size.settle)
                yield RunningEph(made, ephd, client)
        finally:
            TARGET.stop(made.settings.target_mapping("local"))
            if cluster:
                for line in await asyncio.to_thread(demo_cluster.remove_environments, made.target_settings, print):
                    print(line, file=sys.stderr)


@contextmanager
def _restore_tempdir() -> Iterator[None]:
    """The demo's world points this process at a folder of its own, which goes with it."""
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = variable


def _with_changes(settings: ServerSettings, changes: Mapping[str, Any]) -> ServerSettings:
    return ServerSettings(**{name: getattr(settings, name) for name in settings.model_fields_set} | dict(changes))


async def _wait_for_first_cycle(ephd: RunningEphd, settle: float) -> None:
    """Until the first look is over and the warm interpreters had time to warm."""
    async with asyncio.timeout(TIMEOUT):
        while ephd.system.cycles.latest.at is None:
            await asyncio.sleep(0.05)
    await asyncio.sleep(settle)


def counting_toolchain(home: Path) -> tuple[Toolchain, Path]:
    """The tools with a ``pulumi`` in front that writes a line into the log for each start."""
    log, wrapper = home / "pulumi.log", home / "bin" / "pulumi"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {tools().pulumi} "$@"\n')
    wrapper.chmod(0o755)
    log.touch()
    return replace(tools(), path=os.pathsep.join([str(wrapper.parent), tools().path])), log


# --- Pulumi alone


class PlainPulumi:
    """Pulumi without Eph, in the hands of one warm interpreter, with the target's shared parts up already."""

    def __init__(self, home: Path, target: str = "local") -> None:
        self._target = registry.get(target)
        self._settings = {"root": str(home / target), "routes": str(home / "routes")}
        self._created: set[str] = set()
        self._env = _environment(home, target)
        command = [sys.executable, "-m", "tests.bench.plain_pulumi"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._env, text=True
        )

    def ensure(self, reference_settings: Mapping[str, str]) -> None:
        """``reference_settings``: the settings of an Eph to compare with, which would take away what it has no record
        of."""
        own = {"server": "eph-bench-plain"} if "server" in reference_settings else {}
        self._settings = {**reference_settings, **own, **self._settings}
        self._target.ensure(self._settings)

    def up(self, mode: str, stack: str, spec: EnvironmentSpec) -> float:
        """Seconds until the same program's app answers."""
        name = f"plain-{stack}"
        self._created.add(name)
        own = replace(spec, name=name, host=f"{name}.localhost", settings=self._settings)
        order = {"way": mode, "stack": stack, "spec": own.to_json()}
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("they were asked for as pipes")
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("{"):
                answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(f"plain pulumi failed: {answer['error']}")
                return float(answer["seconds"])
        raise RuntimeError("plain pulumi ended without an answer")

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)
        for name in self._target.list_environments(self._settings) if self._created else ():
            if name in self._created:
                self._target.purge(name, self._settings)
        self._target.stop(self._settings)


def _environment(home: Path, target: str) -> dict[str, str]:
    (home / "backend").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    return kept | {
        "PATH": os.pathsep.join(
            [plugins.with_plugins(tools(), [target], print).path, os.environ.get("PATH", os.defpath)]
        ),
        "PULUMI_BACKEND_URL": f"file://{home}/backend",
        "PULUMI_HOME": f"{home}/pulumi",
        "PULUMI_CONFIG_PASSPHRASE": "bench",
        "PULUMI_PYTHON_CMD": sys.executable,
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }


@contextmanager
def plain_pulumi(reference_settings: Mapping[str, str], target: str = "local") -> Iterator[PlainPulumi]:
    with temporary_folder() as home:
        made = PlainPulumi(home, target)
        try:
            made.ensure(reference_settings)
            yield made
        finally:
            made.close()

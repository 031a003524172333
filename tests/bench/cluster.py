"""Rows on a real Kubernetes, of a whole Eph: label to URL against the bare CLI and kubectl, ten at once, and waking."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from orchestrator.app.demo import clusters
from programs.spec import EnvironmentSpec
from stacks import plugins
from tests.bench import by_hand, waking
from tests.bench.by_hand import ByHand
from tests.bench.environments import in_sequence
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.worlds import Eph, Plain, eph, plain, tools
from tests.beside import Beside
from tests.cluster.machines import Site, images

TURNS, WAKES = 3, 7
MANY = 10
COLD = 200
MEGABYTE = 1024 * 1024
REPOSITORY = f"{clusters.PREFIX}/bench"
FILE = """\
version: "1.0"
name: shop
target: kubernetes
environment:
  images:
    - {{name: shop, repository: {image}, tag_template: v1}}
services:
  - {{name: web, image: shop, port: 8080, health: {{path: /healthz, deadline: 90s}}}}
"""


@dataclass(slots=True)
class OnCluster:
    """``image``: of the only service, by its digest."""

    eph: Eph
    cluster: Site
    image: str
    file: str

    async def open_pulls(self, count: int) -> list[int]:
        return await self.eph.open_pulls(count, **{"eph.yaml": self.file})

    def spec(self, number: int) -> EnvironmentSpec:
        return replace(self.eph.spec(number), images={"shop": self.image})

    def by_hand(self, number: int, name: str) -> AbstractContextManager[ByHand]:
        return by_hand.copied(self.cluster, waking.view(self.eph, number), f"eph-bench-{name}")


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[OnCluster]:
    """On the cluster that the variables of tests/cluster name."""
    cluster = await asyncio.to_thread(_cluster)
    host, by_kubectl = cluster.registry.host, Site.of(Path(), os.environ)
    sample = images().app(by_kubectl.tools / "tools", "v1")
    digest = await asyncio.to_thread(cluster.registry.push, sample, REPOSITORY, "v1")
    with_plugin = plugins.beside(tools(), [clusters.TARGET], print)
    async with eph(with_plugin, cluster, **settings) as running:
        yield OnCluster(running, by_kubectl, f"{host}/{REPOSITORY}@{digest}", FILE.format(image=f"{host}/{REPOSITORY}"))


def _cluster() -> clusters.Site:
    said = dict.fromkeys((name.replace("-", "_") for name in clusters.OPTIONS), "")
    told = {**os.environ, "KUBECONFIG": os.environ.get("EPH_TEST_KUBECONFIG", "")}
    return clusters.look(argparse.Namespace(**said), told)


async def kubernetes_url(_: Size) -> Row:
    """In turns, one of each for warming up first."""
    ours, cli, kubectl = [], [], []
    async with world() as running:
        with plain(running.eph.world.target_settings, clusters.TARGET) as bare:
            for number in await running.open_pulls(TURNS + 1):
                ours.append(await running.eph.made(number))
                cli.append(await _by_cli(bare, running, number))
                with running.by_hand(number, f"{number}") as copy:
                    kubectl.append(await asyncio.to_thread(copy.apply))
    ours, cli, kubectl = ours[1:], cli[1:], kubectl[1:]
    middle = statistics.median(ours)
    return Row(
        "kubernetes-url",
        (
            Figure("cli ratio", middle / statistics.median(cli), 1.3),
            Figure("kubectl ratio", middle / statistics.median(kubectl), 3.0),
        ),
        f"Eph, from the label to the answer through the gateway and the ingress: {seconds(ours)}",
        f"`pulumi stack init` and `pulumi up`: {seconds(cli)}; `kubectl apply` and the page: {seconds(kubectl)}",
    )


async def _by_cli(bare: Plain, running: OnCluster, number: int) -> float:
    return await asyncio.to_thread(bare.up, "cli", f"pr-{number}", running.spec(number))


async def kubernetes_wake(_: Size) -> Row:
    """In turns, one of each for warming up first; and once with two hundred requests at the same moment."""
    ours, theirs = [], []
    async with world() as running:
        [number] = await running.open_pulls(1)
        await running.eph.made(number)
        with running.by_hand(number, "wake") as copy:
            await asyncio.to_thread(copy.apply)
            for _ in range(WAKES + 1):
                await asyncio.to_thread(copy.sleep)
                theirs.append(await asyncio.to_thread(copy.wake))
                await _asleep(running, number)
                ours.append((await waking.visit(running.eph, number, 1))[0])
        await _asleep(running, number)
        starts = await waking.times_woken(running.eph, number)
        cold = await waking.visit(running.eph, number, COLD)
        starts = await waking.times_woken(running.eph, number) - starts
    ours, theirs = ours[1:], theirs[1:]
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(
        "kubernetes-wake",
        (Figure("ratio", ratio, 1.3), Figure("starts", starts, 1), Figure("answers", len(cold), COLD, at_least=True)),
        f"a request to a preview that sleeps, until its answer: {seconds(ours)}; {COLD} at once: {max(cold):.2f} s",
        f"`kubectl scale --replicas=1` of a copy's Deployment, until its page answers: {seconds(theirs)}",
    )


async def _asleep(running: OnCluster, number: int) -> None:
    """And nothing of it runs any more."""
    await waking.sleep(running.eph, number)
    name = waking.view(running.eph, number).name
    await asyncio.to_thread(by_hand.until_empty, running.cluster, name)


async def kubernetes_10(_: Size) -> Row:
    """Half of the sequential ones before and half after, so that a machine that grows busy slows both."""
    async with world(workers=2) as running:
        pulls = await running.open_pulls(MANY + 1)
        await running.eph.made(pulls[0])
        with plain(running.eph.world.target_settings, clusters.TARGET) as bare:
            spec = running.spec(pulls[0])
            await asyncio.to_thread(bare.up, "api", "warm-up", spec)
            before = await asyncio.to_thread(in_sequence, bare, range(MANY // 2), spec)
            with _Memory() as memory:
                begun = time.monotonic()
                await asyncio.gather(*(running.eph.label(number) for number in pulls[1:]))
                await running.eph.answer(pulls[1:])
                ours = time.monotonic() - begun
            after = await asyncio.to_thread(in_sequence, bare, range(MANY // 2, MANY), spec)
    return Row(
        "kubernetes-10",
        (
            Figure("ratio", (before + after) / ours, 2.0, at_least=True),
            Figure("MB of one operation", memory.most, 900),
        ),
        f"Eph, {MANY} labels at once until all {MANY} answer: {ours:.1f} s",
        f"{MANY} times `create_or_select_stack` and `up` in one interpreter: {before + after:.1f} s",
    )


class _Memory(Beside):
    """The most that the processes of one operation held together."""

    pause = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def look(self) -> None:
        for worker in psutil.process_iter(["cmdline"]):
            if "stacks.worker" in (worker.info["cmdline"] or []) and worker.ppid() == os.getpid():
                self.most = max(self.most, _held(worker) // MEGABYTE)


def _held(process: psutil.Process) -> int:
    total = 0
    for each in (process, *_children(process)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []

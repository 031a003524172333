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

from orchestrator.demo.cluster import demo_cluster
from programs.spec import EnvironmentSpec
from stacks.toolchain import plugins
from tests.bench import kubectl_copy, waking
from tests.bench.environments import in_sequence
from tests.bench.kubectl_copy import KubectlCopy
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import PlainPulumi, RunningEph, plain_pulumi, running_eph, tools
from tests.cluster.cluster_access import Cluster, images
from tests.polling import BackgroundPoller

ROUNDS, WAKE_ROUNDS = 3, 7
CONCURRENT = 10
COLD_REQUESTS = 200
MEGABYTE = 1024 * 1024
REPOSITORY = f"{demo_cluster.REPOSITORY_PREFIX}/bench"
EPH_YAML = """\
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
class ClusterBench:
    """``image``: of the only service, by its digest."""

    eph: RunningEph
    cluster: Cluster
    image: str
    file: str

    async def open_pulls(self, count: int) -> list[int]:
        return await self.eph.open_pulls(count, **{"eph.yaml": self.file})

    def spec(self, number: int) -> EnvironmentSpec:
        return replace(self.eph.spec(number), images={"shop": self.image})

    def kubectl_copy(self, number: int, name: str) -> AbstractContextManager[KubectlCopy]:
        return kubectl_copy.kubectl_copy(self.cluster, waking.view_of(self.eph, number), f"eph-bench-{name}")


@asynccontextmanager
async def cluster_bench(size: Size, **settings: Any) -> AsyncIterator[ClusterBench]:
    """On the cluster that the variables of tests/cluster name."""
    cluster = await asyncio.to_thread(_cluster)
    host, by_kubectl = cluster.registry.host, Cluster.from_environment(Path(), os.environ)
    sample = images().app(by_kubectl.tools / "tools", "v1")
    digest = await asyncio.to_thread(cluster.registry.push, sample, REPOSITORY, "v1")
    with_plugin = plugins.with_plugins(tools(), [demo_cluster.TARGET], print)
    async with running_eph(size, with_plugin, cluster, **settings) as running:
        yield ClusterBench(
            running, by_kubectl, f"{host}/{REPOSITORY}@{digest}", EPH_YAML.format(image=f"{host}/{REPOSITORY}")
        )


def _cluster() -> demo_cluster.DemoCluster:
    said = dict.fromkeys((name.replace("-", "_") for name in demo_cluster.OPTIONS), "")
    told = {**os.environ, "KUBECONFIG": os.environ.get("EPH_TEST_KUBECONFIG", "")}
    return demo_cluster.discover(argparse.Namespace(**said), told)


async def kubernetes_url(size: Size) -> Row:
    """In turns, one of each for warming up first."""
    ours, cli, kubectl = [], [], []
    async with cluster_bench(size) as running:
        with plain_pulumi(running.eph.world.target_settings, demo_cluster.TARGET) as bare:
            for number in await running.open_pulls(ROUNDS + 1):
                ours.append(await running.eph.seconds_until_ready(number))
                cli.append(await _time_cli(bare, running, number))
                with running.kubectl_copy(number, f"{number}") as copy:
                    kubectl.append(await asyncio.to_thread(copy.apply))
    ours, cli, kubectl = ours[1:], cli[1:], kubectl[1:]
    middle = statistics.median(ours)
    return Row(
        "kubernetes-url",
        (
            Figure("cli ratio", middle / statistics.median(cli), 1.3),
            Figure("kubectl ratio", middle / statistics.median(kubectl), 3.0),
        ),
        f"Eph, from label to response through the gateway and the ingress: {seconds(ours)}",
        f"`pulumi stack init` and `pulumi up`: {seconds(cli)}; `kubectl apply` and the page: {seconds(kubectl)}",
    )


async def _time_cli(plain_pulumi: PlainPulumi, bench: ClusterBench, number: int) -> float:
    return await asyncio.to_thread(plain_pulumi.up, "cli", f"pr-{number}", bench.spec(number))


async def kubernetes_wake(size: Size) -> Row:
    """In turns, one of each for warming up first; and once with two hundred requests at the same moment."""
    ours, theirs = [], []
    async with cluster_bench(size) as running:
        [number] = await running.open_pulls(1)
        await running.eph.seconds_until_ready(number)
        with running.kubectl_copy(number, "wake") as copy:
            await asyncio.to_thread(copy.apply)
            for _round in range(WAKE_ROUNDS + 1):
                await asyncio.to_thread(copy.sleep)
                theirs.append(await asyncio.to_thread(copy.wake))
                await _put_to_sleep(running, number, size.settle)
                ours.append((await waking.send_requests(running.eph, number, 1))[0])
        await _put_to_sleep(running, number, size.settle)
        starts = await waking.wake_count(running.eph, number)
        cold = await waking.send_requests(running.eph, number, COLD_REQUESTS)
        starts = await waking.wake_count(running.eph, number) - starts
    ours, theirs = ours[1:], theirs[1:]
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(
        "kubernetes-wake",
        (
            Figure("ratio", ratio, 1.3),
            Figure("starts", starts, 1),
            Figure("answers", len(cold), COLD_REQUESTS, at_least=True),
        ),
        f"request to a sleeping preview until its response: {seconds(ours)}; "
        f"{COLD_REQUESTS} at once: {max(cold):.2f} s",
        f"`kubectl scale --replicas=1` of a copy's Deployment, until its page responds: {seconds(theirs)}",
    )


async def _put_to_sleep(bench: ClusterBench, number: int, settle: float) -> None:
    """And nothing of it runs any more."""
    await waking.sleep(bench.eph, number, settle)
    name = waking.view_of(bench.eph, number).name
    await asyncio.to_thread(kubectl_copy.wait_until_empty, bench.cluster, name)


async def kubernetes_10(size: Size) -> Row:
    """Half of the sequential ones before and half after, so that a machine that grows busy slows both."""
    async with cluster_bench(size, workers=2) as running:
        pulls = await running.open_pulls(CONCURRENT + 1)
        await running.eph.seconds_until_ready(pulls[0])
        with plain_pulumi(running.eph.world.target_settings, demo_cluster.TARGET) as bare:
            spec = running.spec(pulls[0])
            await asyncio.to_thread(bare.up, "api", "warm-up", spec)
            before = await asyncio.to_thread(in_sequence, bare, range(CONCURRENT // 2), spec)
            with _PeakMemory() as memory:
                begun = time.monotonic()
                await asyncio.gather(*(running.eph.label(number) for number in pulls[1:]))
                await running.eph.wait_until_answering(pulls[1:])
                ours = time.monotonic() - begun
            after = await asyncio.to_thread(in_sequence, bare, range(CONCURRENT // 2, CONCURRENT), spec)
    return Row(
        "kubernetes-10",
        (
            Figure("ratio", (before + after) / ours, 2.0, at_least=True),
            Figure("MB of one operation", memory.peak, 900),
        ),
        f"Eph, {CONCURRENT} labels at once until all {CONCURRENT} respond: {ours:.1f} s",
        f"{CONCURRENT} times `create_or_select_stack` and `up` in one interpreter: {before + after:.1f} s",
    )


class _PeakMemory(BackgroundPoller):
    """The most that the processes of one operation held together."""

    interval = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0

    def poll(self) -> None:
        for worker in psutil.process_iter(["cmdline"]):
            if "stacks.worker" in (worker.info["cmdline"] or []) and worker.ppid() == os.getpid():
                self.peak = max(self.peak, _resident_bytes(worker) // MEGABYTE)


def _resident_bytes(process: psutil.Process) -> int:
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

"""Rows on a real Kubernetes: one environment against the bare CLI and against kubectl, ten at once, and the memory."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil

from programs.kubernetes import names
from programs.kubernetes.target import TARGET
from programs.spec import EnvironmentSpec
from stacks.model import Verb
from tests.bench.rows import Figure, Row, seconds
from tests.bench.worlds import folder, plain
from tests.beside import Beside
from tests.cluster.environments import Eph, Page
from tests.cluster.machines import Site, eventually, push_images

TURNS = 3
MANY = 10
WAKING = 930
PATIENCE = 180.0
MEGABYTE = 1024 * 1024
KINDS = "serviceaccount,secret,resourcequota,limitrange,networkpolicy,service,deployment,ingress"
_GIVEN = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink", "ownerReferences")


@contextmanager
def world() -> Iterator[Eph]:
    """Eph's operations on the cluster that the variables of tests/cluster name."""
    with folder() as home:
        (home / "site").mkdir()
        (home / "eph").mkdir()
        site = Site.of(home / "site", os.environ)
        push_images(site)
        made = Eph(site, home / "eph", "bench")
        try:
            yield made
        finally:
            for name in TARGET.names(made.settings):
                TARGET.purge(name, made.settings)
            site.clear()


async def kubernetes_url() -> Row:
    return await asyncio.to_thread(_kubernetes_url)


def _kubernetes_url() -> Row:
    ours, cli, kubectl = [], [], []
    with world() as eph, plain(eph.settings, "kubernetes") as bare:
        commit = eph.repository.push({"a": "1"})
        for number in range(TURNS + 1):
            spec = eph.spec(900 + number, commit)
            ours.append(_made(eph, spec))
            cli.append(bare.up("cli", f"{number}", spec))
            kubectl.append(_applied(eph.site, spec, f"eph-bench-by-hand-{number}"))
    ours, cli, kubectl = ours[1:], cli[1:], kubectl[1:]
    middle = statistics.median(ours)
    return Row(
        "kubernetes-url",
        (
            Figure("cli ratio", middle / statistics.median(cli), 1.3),
            Figure("kubectl ratio", middle / statistics.median(kubectl), 3.0),
        ),
        f"Eph, an operation until its page answers through the ingress: {seconds(ours)}",
        f"`pulumi stack init` and `pulumi up`: {seconds(cli)}; `kubectl apply` and the page: {seconds(kubectl)}",
    )


def _made(eph: Eph, spec: EnvironmentSpec) -> float:
    begun = time.monotonic()
    result = eph.up(spec)
    if result.error:
        raise RuntimeError(f"the operation failed: {result.error}")
    _await(Page(eph.site, spec.host), begun)
    return time.monotonic() - begun


def _await(page: Page, begun: float) -> None:
    while page.ask()[0] != 200:
        if time.monotonic() - begun > PATIENCE:
            raise RuntimeError(f"{page.host} did not answer within {PATIENCE:.0f} s")
        time.sleep(0.05)


def _applied(site: Site, spec: EnvironmentSpec, name: str) -> float:
    """The objects that Eph made, in a namespace by hand, with a host name of their own."""
    host = f"{name}.preview.test"
    objects = [_copy(item, name) for item in site.get(KINDS, "-n", spec.name)["items"] if _is_asked_for(item)]
    space = site.get("namespace", spec.name)
    labels = {key: text for key, text in space["metadata"]["labels"].items() if key.startswith("pod-security")}
    made = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**labels, "eph-test": "yes"}},
    }
    site.namespaces.append(name)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [made, *objects]}).replace(spec.host, host)
    begun = time.monotonic()
    site.kubectl("apply", "-f", "-", stdin=text)
    _await(Page(site, host), begun)
    return time.monotonic() - begun


def _is_asked_for(item: Mapping[str, Any]) -> bool:
    return bool(item["metadata"].get("labels", {}).get(names.ENVIRONMENT)) and not item["metadata"].get(
        "ownerReferences"
    )


def _copy(item: Mapping[str, Any], space: str) -> dict[str, Any]:
    about = {key: value for key, value in item["metadata"].items() if key not in _GIVEN}
    data = {**item, "metadata": {**about, "namespace": space}}
    data.pop("status", None)
    for key in ("clusterIP", "clusterIPs"):
        data.get("spec", {}).pop(key, None)
    return data


async def kubernetes_wake() -> Row:
    return await asyncio.to_thread(_kubernetes_wake)


def _kubernetes_wake() -> Row:
    ours, theirs = [], []
    with world() as eph:
        spec = eph.spec(WAKING, eph.repository.push({"a": "1"}))
        _made(eph, spec)
        for _ in range(TURNS + 1):
            _rested(eph, Verb.SLEEP)
            begun = _asleep(eph.site, spec)
            _rested(eph, Verb.WAKE)
            _await(Page(eph.site, spec.host), begun)
            ours.append(time.monotonic() - begun)
            _scale(eph.site, spec, 0)
            begun = _asleep(eph.site, spec)
            _scale(eph.site, spec, 1)
            _await(Page(eph.site, spec.host), begun)
            theirs.append(time.monotonic() - begun)
    ours, theirs = ours[1:], theirs[1:]
    return Row(
        "kubernetes-wake",
        (Figure("ratio", statistics.median(ours) / statistics.median(theirs), 1.3),),
        f"Eph wakes it, until its page answers through the ingress: {seconds(ours)}",
        f"`kubectl scale --replicas=1` of its Deployment, and the page: {seconds(theirs)}",
    )


def _rested(eph: Eph, verb: Verb) -> None:
    result = eph.rest(WAKING, verb)
    if result.error:
        raise RuntimeError(f"{verb} failed: {result.error}")


def _scale(site: Site, spec: EnvironmentSpec, replicas: int) -> None:
    site.kubectl("scale", "deployment/web", f"--replicas={replicas}", "-n", spec.name)


def _asleep(site: Site, spec: EnvironmentSpec) -> float:
    """When nothing of it runs any more, and its page is gone."""
    eventually(lambda: not site.get("pods", "-n", spec.name)["items"], PATIENCE)
    eventually(lambda: Page(site, spec.host).ask()[0] != 200, PATIENCE)
    return time.monotonic()


async def kubernetes_10() -> Row:
    return await asyncio.to_thread(_kubernetes_10)


def _kubernetes_10() -> Row:
    with world() as eph:
        commit = eph.repository.push({"a": "1"})
        _made(eph, eph.spec(899, commit))
        alone = [_made(eph, eph.spec(900 + number, commit)) for number in range(2)]
        specs = [eph.spec(910 + number, commit) for number in range(MANY)]
        with _Memory() as memory:
            begun = time.monotonic()
            wrong = [result.error for result in eph.ups(specs, MANY) if result.error]
            if wrong:
                raise RuntimeError(f"{len(wrong)} of {MANY} failed: {wrong[0]}")
            for spec in specs:
                _await(Page(eph.site, spec.host), begun)
            together = time.monotonic() - begun
    one = statistics.median(alone)
    return Row(
        "kubernetes-10",
        (
            Figure("speedup", MANY * one / together, 2.0, at_least=True),
            Figure("MB of one operation", memory.most, 900),
        ),
        f"ten at once until all ten pages answer: {together:.1f} s",
        f"one alone: {seconds(alone)}, so ten in a row {MANY * one:.1f} s",
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

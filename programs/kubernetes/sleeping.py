"""An environment put to sleep and woken: its workloads scaled to zero and back, by the API, as a field manager of our
own.

Pulumi never says how many pods there shall be: what a manifest wants lies in an annotation, and ``replicas`` is ours
alone. So an update neither wakes nor fights what sleeps. What would lose its data with its pod stays awake, as
a database without a volume. The gateway is told first when it falls asleep, and last when it is awake.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx

from programs.kubernetes import doors, names, waiting
from programs.kubernetes.cluster import Cluster, Missing
from programs.kubernetes.doors import Route
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.settings import Settings
from programs.kubernetes.waiting import Awaited
from programs.local.waiting import pause

Data = dict[str, Any]
MANAGER = "eph-sleep"
SECONDS = 180.0
FRONT_SECONDS = 60.0
_KINDS = {"Deployment": ("apps/v1", "deployments"), "StatefulSet": ("apps/v1", "statefulsets")}
_CRON = ("CronJob", "batch/v1", "cronjobs")


def without_replicas(data: Data, scaled: frozenset[str] = frozenset()) -> Data:
    """The same object without its number of pods, which an annotation holds instead. ``scaled``: names of what a
    HorizontalPodAutoscaler of the repository looks after; how many that has is its to say."""
    if data["kind"] not in _KINDS or "replicas" not in data.get("spec", {}):
        return data
    spec = {key: value for key, value in data["spec"].items() if key != "replicas"}
    about = data["metadata"]
    if about["name"] not in scaled:
        many = {names.REPLICAS: str(data["spec"]["replicas"])}
        about = {**about, "annotations": {**about.get("annotations", {}), **many}}
    return {**data, "metadata": about, "spec": spec}


def autoscaled(objects: Iterable[Data]) -> frozenset[str]:
    targets = (
        data.get("spec", {}).get("scaleTargetRef", {}) for data in objects if data["kind"] == "HorizontalPodAutoscaler"
    )
    return frozenset(str(target.get("name", "")) for target in targets)


def settle(cluster: Cluster, namespace: str, kind: str, name: str) -> None:
    """After Pulumi made or changed a workload: as many pods as its annotation says."""
    if kind not in _KINDS:
        return
    version, plural = _KINDS[kind]
    data = cluster.one(namespace, f"{version}/{plural}", name)
    if names.REPLICAS in _notes(data) and data["spec"].get("replicas") != _wanted(data):
        _scale(cluster, namespace, kind, data, _wanted(data))


def sleep(cluster: Cluster, on: Settings, namespace: str, environment: str) -> None:
    _tell(on, environment, asleep=True)
    for data in _crons(cluster, namespace):
        _apply(cluster, namespace, _CRON, data, {"spec": {"suspend": True}})
    for kind, data in _workloads(cluster, namespace):
        if data["spec"].get("replicas", 1) != 0:
            _scale(cluster, namespace, kind, data, 0)


def wake(cluster: Cluster, on: Settings, namespace: str, environment: str, patient: bool) -> None:
    """Databases first, then services, each after those that it names; not ``patient``: all at once."""
    found = list(_workloads(cluster, namespace))
    for layer in _layers(found):
        for kind, data in layer:
            if data["spec"].get("replicas", 1) != _wanted(data):
                _scale(cluster, namespace, kind, data, _wanted(data))
        for kind, data in layer if patient else ():
            waiting.until_ready(cluster, _awaited(namespace, kind, data))
    for data in _crons(cluster, namespace):
        _apply(cluster, namespace, _CRON, data, {})  # nothing of it is ours any more: as the program says
    if patient:
        for route in _routes(on, environment):
            _await_front(route)
    _tell(on, environment, asleep=False)


def _awaited(namespace: str, kind: str, data: Data) -> Awaited:
    name = data["metadata"]["name"]
    seconds = float(data["spec"].get("progressDeadlineSeconds", SECONDS))
    title = f"database {name}" if kind == "StatefulSet" else f"service {name}"
    return Awaited(namespace, kind, name, title, seconds)


# --- which, and in what order


def _workloads(cluster: Cluster, namespace: str) -> Iterator[tuple[str, Data]]:
    for kind, (version, plural) in _KINDS.items():
        for data in cluster.namespaced(namespace, f"{version}/{plural}"):
            if _may_sleep(kind, data):
                yield kind, data


def _may_sleep(kind: str, data: Data) -> bool:
    """A StatefulSet without a volume of its own loses what it holds with its pod."""
    keeps = kind != "StatefulSet" or bool(data["spec"].get("volumeClaimTemplates"))
    return keeps and _notes(data).get(names.STAYS) != "false"


def _crons(cluster: Cluster, namespace: str) -> list[Data]:
    found = cluster.namespaced(namespace, "batch/v1/cronjobs")
    return [data for data in found if _notes(data).get(names.STAYS) != "false"]


def _layers(found: list[tuple[str, Data]]) -> Iterator[list[tuple[str, Data]]]:
    """Those that nobody has to wait for first; what waits for something that is not there waits for nothing."""
    yield [(kind, data) for kind, data in found if kind == "StatefulSet"]
    left = {data["metadata"]["name"]: data for kind, data in found if kind == "Deployment"}
    while left:
        free = [name for name, data in left.items() if not _after(data) & left.keys()] or list(left)
        yield [("Deployment", left.pop(name)) for name in free]


def _after(data: Data) -> frozenset[str]:
    return frozenset(name for name in _notes(data).get(names.AFTER, "").split(",") if name)


def _wanted(data: Data) -> int:
    text = _notes(data).get(names.REPLICAS, "1")
    return int(text) if text.isdecimal() else 1


def _notes(data: Data) -> Mapping[str, str]:
    return data["metadata"].get("annotations") or {}


# --- doing it


def _scale(cluster: Cluster, namespace: str, kind: str, data: Data, replicas: int) -> None:
    _apply(cluster, namespace, (kind, *_KINDS[kind]), data, {"spec": {"replicas": replicas}})


def _apply(cluster: Cluster, namespace: str, of: tuple[str, str, str], data: Data, more: Data) -> None:
    """One that went meanwhile needs nothing, and is not made anew by it."""
    kind, version, plural = of
    about = data["metadata"]
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": about["name"], "uid": about["uid"]}, **more}
    try:
        cluster.apply(f"/apis/{version}/namespaces/{namespace}/{plural}/{about['name']}", body, MANAGER)
    except Missing:
        return


# --- the doors


def _routes(on: Settings, environment: str) -> list[Route]:
    return doors.of(on.routes, environment) if on.routes else []


def _tell(on: Settings, environment: str, asleep: bool) -> None:
    for route in _routes(on, environment):
        if route.asleep != asleep:
            doors.put(doors.folder(on.routes), replace(route, asleep=asleep))


def _await_front(route: Route) -> None:
    """The ingress controller, or the cluster's own way to a service, hears of its pods a moment later than we."""
    deadline, said = time.monotonic() + FRONT_SECONDS, ""
    while time.monotonic() < deadline:
        ok, said = _asks(route)
        if ok:
            return
        pause(0.1)
    way = "at its service" if route.sole else "through the ingress controller"
    raise KubernetesError(f"{route.host} was woken, and does not answer {way}: {said}")


def _asks(route: Route) -> tuple[bool, str]:
    try:
        answer = httpx.get(
            f"{route.upstream}{route.health or '/'}",
            headers={"Host": route.host, "User-Agent": "eph-health"},
            timeout=10.0,
            follow_redirects=False,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        return False, f"{type(error).__name__}: {error}"
    well = 200 <= answer.status_code < 400 if route.health else answer.status_code < 500
    return well, f"HTTP {answer.status_code}"

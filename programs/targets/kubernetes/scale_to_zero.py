"""Puts an environment to sleep and wakes it: scales its workloads to zero and back with our own field manager.

Pulumi never sets the number of replicas: the manifest's number is in an annotation, and only we write ``replicas``. So
an update neither wakes a sleeping environment nor conflicts with it. Workloads that would lose data with their pod stay
awake, such as a database without a volume. The gateway is notified first when an environment falls asleep, and last
when it wakes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx

from programs.kit.waiting import pause
from programs.spec import EnvironmentSpec
from programs.targets.kubernetes import gateway_routes, wording
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.api.cluster import ClusterClient, ObjectNotFound
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.gateway_routes import RouteRecord
from programs.targets.kubernetes.observation import rollout_wait
from programs.targets.kubernetes.observation.rollout_wait import AwaitedWorkload
from programs.targets.kubernetes.settings import KubernetesSettings

Data = dict[str, Any]
FIELD_MANAGER = "eph-sleep"
READY_TIMEOUT = 180.0
FRONT_TIMEOUT = 60.0
FRONT_POLL_SECONDS = 0.03
"""Someone waits for the response, and nobody reports when a proxy knows the new pods."""
_SCALABLE_KINDS = {"Deployment": ("apps/v1", "deployments"), "StatefulSet": ("apps/v1", "statefulsets")}
_CRON_JOB = ("CronJob", "batch/v1", "cronjobs")


def without_replicas(data: Data, autoscaled_names: frozenset[str] = frozenset()) -> Data:
    """The same object without its number of replicas, which moves to an annotation. ``autoscaled_names``: workloads
    that a HorizontalPodAutoscaler of the repository scales; it decides their number."""
    if data["kind"] not in _SCALABLE_KINDS or "replicas" not in data.get("spec", {}):
        return data
    spec = {key: value for key, value in data["spec"].items() if key != "replicas"}
    about = data["metadata"]
    if about["name"] not in autoscaled_names:
        many = {object_names.REPLICAS: str(data["spec"]["replicas"])}
        about = {**about, "annotations": {**about.get("annotations", {}), **many}}
    return {**data, "metadata": about, "spec": spec}


def autoscaled(objects: Iterable[Data]) -> frozenset[str]:
    targets = (
        data.get("spec", {}).get("scaleTargetRef", {}) for data in objects if data["kind"] == "HorizontalPodAutoscaler"
    )
    return frozenset(str(target.get("name", "")) for target in targets)


def starts_nothing(spec: EnvironmentSpec) -> bool:
    """Whether an update leaves its workloads without pods. The commands after it may need them."""
    return spec.asleep and not spec.hooks.post_create


def stopped(data: Data) -> Data:
    """The same object without pods, if it can sleep: for an environment that its first request starts. This is the only
    case in which Pulumi sets the number. The first wake-up takes the field over, and no later update contains it."""
    if data["kind"] not in _SCALABLE_KINDS or not _can_sleep(data["kind"], data):
        return data
    return {**data, "spec": {**data["spec"], "replicas": 0}}


def restore_replicas(cluster: ClusterClient, namespace: str, kind: str, name: str) -> None:
    """After Pulumi created or changed a workload: sets the number of replicas from its annotation. A workload that
    sleeps without one is started, too: it is a database that an update needs."""
    if kind not in _SCALABLE_KINDS:
        return
    version, plural = _SCALABLE_KINDS[kind]
    data = cluster.get_namespaced(namespace, f"{version}/{plural}", name)
    replicas = data["spec"].get("replicas")
    if (object_names.REPLICAS in _annotations(data) or replicas == 0) and replicas != _desired_replicas(data):
        _scale(cluster, namespace, kind, data, _desired_replicas(data))


def stop_workloads(cluster: ClusterClient, namespace: str) -> None:
    """Before an update that starts nothing: the number that Pulumi sets must be the current one, because another
    writer's number would be a conflict."""
    for kind, data in _workloads(cluster, namespace):
        is_database = data["metadata"]["name"].startswith(object_names.PREFIX)
        if not is_database and data["spec"].get("replicas", 1) != 0:
            _scale(cluster, namespace, kind, data, 0)


def sleep(cluster: ClusterClient, settings: KubernetesSettings, namespace: str, environment: str) -> None:
    gateway_routes.mark(settings.routes, environment, asleep=True)
    for data in _cron_jobs(cluster, namespace):
        _apply(cluster, namespace, _CRON_JOB, data, {"spec": {"suspend": True}})
    for kind, data in _workloads(cluster, namespace):
        if data["spec"].get("replicas", 1) != 0:
            _scale(cluster, namespace, kind, data, 0)


def wake(cluster: ClusterClient, settings: KubernetesSettings, namespace: str, environment: str, wait: bool) -> None:
    """Databases first, then services, each after the ones it names. Without ``wait``, all at once."""
    found = list(_workloads(cluster, namespace))
    for layer in _start_order(found):
        for kind, data in layer:
            if data["spec"].get("replicas", 1) != _desired_replicas(data):
                _scale(cluster, namespace, kind, data, _desired_replicas(data))
        for kind, data in layer if wait else ():
            rollout_wait.wait_until_ready(cluster, _awaited_workload(namespace, kind, data))
    for data in _cron_jobs(cluster, namespace):
        _apply(cluster, namespace, _CRON_JOB, data, {})  # we no longer manage this field; the program's value applies
    if wait:
        for route in gateway_routes.routes_of(settings.routes, environment):
            _wait_for_front(route)
    gateway_routes.mark(settings.routes, environment, asleep=False)


def _awaited_workload(namespace: str, kind: str, data: Data) -> AwaitedWorkload:
    name = data["metadata"]["name"]
    seconds = float(data["spec"].get("progressDeadlineSeconds", READY_TIMEOUT))
    title = f"database {name}" if kind == "StatefulSet" else f"service {name}"
    return AwaitedWorkload(namespace, kind, name, title, seconds)


# --- which, and in what order


def _workloads(cluster: ClusterClient, namespace: str) -> Iterator[tuple[str, Data]]:
    for kind, (version, plural) in _SCALABLE_KINDS.items():
        for data in cluster.list_namespaced(namespace, f"{version}/{plural}"):
            if _can_sleep(kind, data):
                yield kind, data


def _can_sleep(kind: str, data: Data) -> bool:
    """A StatefulSet without its own volume loses its data with its pod."""
    keeps = kind != "StatefulSet" or bool(data["spec"].get("volumeClaimTemplates"))
    return keeps and _annotations(data).get(object_names.SLEEP_POLICY) != "false"


def _cron_jobs(cluster: ClusterClient, namespace: str) -> list[Data]:
    found = cluster.list_namespaced(namespace, "batch/v1/cronjobs")
    return [data for data in found if _annotations(data).get(object_names.SLEEP_POLICY) != "false"]


def _start_order(found: list[tuple[str, Data]]) -> Iterator[list[tuple[str, Data]]]:
    """Services without dependencies first. A dependency that doesn't exist is ignored."""
    yield [(kind, data) for kind, data in found if kind == "StatefulSet"]
    left = {data["metadata"]["name"]: data for kind, data in found if kind == "Deployment"}
    while left:
        free = [name for name, data in left.items() if not _dependencies(data) & left.keys()] or list(left)
        yield [("Deployment", left.pop(name)) for name in free]


def _dependencies(data: Data) -> frozenset[str]:
    return frozenset(name for name in _annotations(data).get(object_names.AFTER, "").split(",") if name)


def _desired_replicas(data: Data) -> int:
    text = _annotations(data).get(object_names.REPLICAS, "1")
    return int(text) if text.isdecimal() else 1


def _annotations(data: Data) -> Mapping[str, str]:
    return data["metadata"].get("annotations") or {}


# --- doing it


def _scale(cluster: ClusterClient, namespace: str, kind: str, data: Data, replicas: int) -> None:
    _apply(cluster, namespace, (kind, *_SCALABLE_KINDS[kind]), data, {"spec": {"replicas": replicas}})


def _apply(cluster: ClusterClient, namespace: str, kind_info: tuple[str, str, str], data: Data, changes: Data) -> None:
    """Does nothing if the object was deleted meanwhile."""
    kind, version, plural = kind_info
    about = data["metadata"]
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": about["name"], "uid": about["uid"]}, **changes}
    try:
        cluster.apply(f"/apis/{version}/namespaces/{namespace}/{plural}/{about['name']}", body, FIELD_MANAGER)
    except ObjectNotFound:
        return


# --- routes


def _wait_for_front(route: RouteRecord) -> None:
    """The ingress controller and the cluster's service proxies learn about new pods a moment later than we do."""
    deadline, reason = time.monotonic() + FRONT_TIMEOUT, ""
    while time.monotonic() < deadline:
        ok, reason = _probe(route)
        if ok:
            return
        pause(FRONT_POLL_SECONDS)
    raise KubernetesError(wording.not_awake(route.host, through_ingress=not route.sole, reason=reason))


def _probe(route: RouteRecord) -> tuple[bool, str]:
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

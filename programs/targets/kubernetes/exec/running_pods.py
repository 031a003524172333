"""Which pod and container a person's command runs in. Plain data in, plain data out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from programs.exec_requests import ExecUnavailable
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.exec import wording

Data = dict[str, Any]
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class PodContainer:
    namespace: str
    pod: str
    container: str


def find_service(workloads: Iterable[Data], requested: str, environment: str) -> Data:
    """The workload of the requested service: Deployments and StatefulSets, databases not included."""
    by_name = {_service_label(item): item for item in workloads}
    own = {name: item for name, item in sorted(by_name.items()) if not name.startswith(object_names.PREFIX)}
    if not own:
        raise ExecUnavailable(wording.nothing_runs(environment))
    if requested and requested not in own:
        raise ExecUnavailable(wording.unknown_service(environment, requested, own))
    public = [name for name, item in own.items() if _template_labels(item).get(object_names.PUBLIC) == "true"]
    return own[requested or next(iter(public or own))]


def find_database(workloads: Iterable[Data], service: Data, variable: str) -> Data | None:
    """The database server in the namespace that the service's variable refers to, if it is one."""
    containers = service["spec"]["template"]["spec"]["containers"]
    variables = (item for container in containers for item in container.get("env") or [])
    sources = [item.get("valueFrom") or {} for item in variables if item["name"] == variable]
    secrets = {(source.get("secretKeyRef") or {}).get("name") for source in sources}
    servers = (item for item in workloads if item["metadata"]["name"].startswith(object_names.PREFIX))
    return next((item for item in servers if item["metadata"]["name"] in secrets), None)


def choose_container(pods: Sequence[Data], workload: Data, environment: str) -> PodContainer:
    """A ready pod if there is one. During an update there are two generations; the older one is live."""
    name = _service_label(workload)
    running = [pod for pod in pods if _service_of(pod) == name and _running_container(pod)]
    if not running:
        if workload["spec"].get("replicas", 1) == 0:
            raise ExecUnavailable(wording.asleep(environment))
        raise ExecUnavailable(wording.not_running(name, environment))
    chosen = min(running, key=lambda pod: (not _is_ready(pod), pod["metadata"].get("creationTimestamp", "")))
    about = chosen["metadata"]
    return PodContainer(about["namespace"], about["name"], _running_container(chosen))


def _running_container(pod: Data) -> str:
    """The container of the service; empty if it isn't running."""
    about, statuses = pod["metadata"], pod.get("status", {}).get("containerStatuses") or []
    if about.get("deletionTimestamp"):
        return ""
    names = [container["name"] for container in pod["spec"]["containers"]]
    preferred = (about.get("annotations") or {}).get(_DEFAULT_CONTAINER, "") or _service_of(pod)
    wanted = preferred if preferred in names else names[0]
    running = {status["name"] for status in statuses if (status.get("state") or {}).get("running") is not None}
    return wanted if wanted in running else ""


def _is_ready(pod: Data) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)


def _service_of(pod: Data) -> str:
    return str((pod["metadata"].get("labels") or {}).get(object_names.SERVICE, ""))


def _service_label(workload: Data) -> str:
    return str(_template_labels(workload).get(object_names.SERVICE) or workload["metadata"]["name"])


def _template_labels(workload: Data) -> Mapping[str, str]:
    return workload["spec"]["template"]["metadata"].get("labels") or {}

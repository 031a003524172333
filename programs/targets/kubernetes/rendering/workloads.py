"""Services, Jobs and databases as plain data. Every pod is created by ``pod_spec``, which hardens it.

``ContainerEnv`` is what a container receives: plain values, and references to Secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from programs import variables
from programs.spec import DatabaseSpec, ServiceSpec
from programs.targets.kubernetes.api import object_names, quantities
from programs.targets.kubernetes.rendering import namespace_objects, seed_scripts
from programs.targets.kubernetes.rendering.namespace_objects import EPHEMERAL, SCRATCH_REQUEST, Data, new_object
from programs.targets.kubernetes.settings import KubernetesSettings, parse_pair

HTTP_PORT = 80
POSTGRES_PORT = 5432
PRE_STOP_SECONDS = 3
"""Seconds for which a terminating pod keeps serving, until every proxy has removed it."""
TERMINATION_SECONDS = 10
"""A pod's grace period in seconds: nobody should wait half a minute for a preview that ignores the signal."""
DEFAULT_PORT = 8080
"""The default port of an image."""


@dataclass(frozen=True, slots=True)
class ContainerEnv:
    """``secrets`` maps variables to a Secret and the key in it, and ``references`` placeholders in plain values."""

    plain: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def to_list(self) -> list[Data]:
        """A value can refer only to variables above it. Kubernetes fills them in, so no pod contains a secret."""
        used = {name for text in self.plain.values() for name in variables.placeholders(text)} & set(self.references)
        expansions = {name: f"$({reference_variable(name)})" for name in used}
        first = {reference_variable(name): self.references[name] for name in used}
        values: list[Data] = [
            {"name": name, "value": variables.fill_text(escape_expansion(text), expansions)}
            for name, text in sorted(self.plain.items())
        ]
        others = {name: place for name, place in self.secrets.items() if name not in self.plain}
        return [*_secret_variables(first), *values, *_secret_variables(others)]


def _secret_variables(places: Mapping[str, tuple[str, str]]) -> list[Data]:
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, (secret, key) in sorted(places.items())
    ]


def reference_variable(placeholder: str) -> str:
    """The variable that stands for a placeholder in values below it."""
    return "EPH_" + re.sub(r"[^A-Z0-9]", "_", placeholder.upper())


def service_port(service: ServiceSpec) -> int:
    return service.port or DEFAULT_PORT


def has_port(service: ServiceSpec) -> bool:
    """Whether anything connects to it. A worker has no port and can't be reached."""
    return not service.schedule and (service.public or service.port > 0)


def container_security() -> Data:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def pod_spec(settings: KubernetesSettings, containers: list[Data], **extra_fields: Any) -> Data:
    """A pod's spec: no token, not root, no capabilities, on the nodes that the server names."""
    spec: Data = {
        "serviceAccountName": object_names.ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": TERMINATION_SECONDS,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": containers,
        **node_placement(settings),
        **extra_fields,
    }
    if settings.pull_secret_file:
        spec["imagePullSecrets"] = [{"name": object_names.PULL_SECRET}]
    check_pull_access(settings, spec)
    return spec


def check_pull_access(settings: KubernetesSettings, pod: Data) -> None:
    """If repositories have their own registry credentials, a node must not run an image from its cache that it pulled
    with those of another repository."""
    if settings.pull_secrets:
        for container in [*(pod.get("initContainers") or []), *pod["containers"]]:
            container["imagePullPolicy"] = "Always"


def node_placement(settings: KubernetesSettings) -> Data:
    """On the nodes that the server names: only those, or preferably those."""
    if not settings.spot:
        return {}
    key, value = parse_pair(settings.spot, "spot")
    tolerations = [{"key": key, "operator": "Equal", "value": value}]
    if settings.spot_nodes == "required":
        return {"nodeSelector": {key: value}, "tolerations": tolerations}
    label = {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": label}]}
    return {"affinity": {"nodeAffinity": preferred}, "tolerations": tolerations}


def escape_expansion(text: str) -> str:
    """Escapes ``$(NAME)`` and ``$$``, which Kubernetes expands in values and commands."""
    return text.replace("$", "$$")


def container_spec(
    service: ServiceSpec, image: str, variables: ContainerEnv, settings: KubernetesSettings, host: str = ""
) -> Data:
    """``host``: the host name at which people open the service."""
    data: Data = {
        "name": service.name,
        "image": image,
        "env": variables.to_list(),
        "securityContext": container_security(),
    }
    if service.command:
        data["command"] = ["sh", "-c", escape_expansion(service.command)]
    if has_port(service):
        data["ports"] = [{"name": "http", "containerPort": service_port(service)}]
        data["readinessProbe"] = _probe(service, host)
        data["lifecycle"] = {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}}
    share = _resources(service, settings)
    if share:
        data["resources"] = share
    if service.volumes:
        data["volumeMounts"] = [{"name": f"data-{i}", "mountPath": path} for i, path in enumerate(service.volumes)]
    return data


def _resources(service: ServiceSpec, settings: KubernetesSettings) -> Data:
    """The request equals the limit for memory, because it can't be taken back. CPU is shared, so a tenth of the limit
    is requested. Volumes that live with the pod count as its scratch space."""
    limits = {what: quantities.normalize(amount) for what, amount in service.resources.items()}
    requests = dict(limits)
    if "cpu" in limits:
        requests["cpu"] = f"{max(1, int(quantities.parse(limits['cpu']) * 100))}m"
    if service.volumes and not settings.storage_class:
        scratch = quantities.parse(namespace_objects.scratch_limit(settings))
        total = sum((quantities.parse(size) for size in service.volumes.values()), scratch)
        limits[EPHEMERAL] = str(int(total))
        requests[EPHEMERAL] = quantities.smaller(SCRATCH_REQUEST, limits[EPHEMERAL])
    return {"limits": limits, "requests": requests} if limits else {}


def _probe(service: ServiceSpec, host: str) -> Data:
    """Only public services have a health check; the others are ready once they accept connections. Without the host
    name, the request would have the pod's address, which applications with a list of allowed hosts reject."""
    how: Data = {"tcpSocket": {"port": "http"}}
    if service.public:
        headers = [{"name": "Host", "value": host}]
        how = {"httpGet": {"path": service.health.path, "port": "http", "httpHeaders": headers}}
    return {**how, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 3}


def deployment(service: ServiceSpec, template: Data, settings: KubernetesSettings) -> Data:
    """Old pods serve until the new ones do. A service with volumes that only one pod can mount is recreated instead."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    alone = bool(service.volumes and settings.storage_class)
    spec = {
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": max(service.health.deadline, 1),
        "strategy": {"type": "Recreate"} if alone else rolling,
        "selector": {"matchLabels": {object_names.SERVICE: service.name}},
        "template": template,
    }
    data = new_object("Deployment", service.name, {"spec": spec}, "apps/v1")
    if service.after:
        data["metadata"]["annotations"] = {object_names.AFTER: ",".join(service.after)}
    return data


def cron_job(service: ServiceSpec, template: Data) -> Data:
    template = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
    spec = {
        "schedule": service.schedule,
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {"spec": {"backoffLimit": 0, "activeDeadlineSeconds": 3600, "template": template}},
    }
    return new_object("CronJob", service.name, {"spec": spec}, "batch/v1")


def cluster_service(service: ServiceSpec) -> Data:
    ports = [{"name": "http", "port": HTTP_PORT, "targetPort": "http"}]
    return new_object(
        "Service", service.name, {"spec": {"selector": {object_names.SERVICE: service.name}, "ports": ports}}
    )


def pod_volumes(service: ServiceSpec, settings: KubernetesSettings) -> list[Data]:
    """The pod's volumes: claims if the server has storage, otherwise they live as long as the pod."""
    found: list[Data] = []
    for index, size in enumerate(service.volumes.values()):
        source: Data = {"emptyDir": {"sizeLimit": size}}
        if settings.storage_class:
            source = {"persistentVolumeClaim": {"claimName": f"{service.name}-data-{index}"}}
        found.append({"name": f"data-{index}", **source})
    return found


def volume_claims(service: ServiceSpec, settings: KubernetesSettings) -> list[Data]:
    if not settings.storage_class:
        return []
    return [
        new_object("PersistentVolumeClaim", f"{service.name}-data-{index}", {"spec": claim_spec(settings, size)})
        for index, size in enumerate(service.volumes.values())
    ]


def claim_spec(settings: KubernetesSettings, size: str) -> Data:
    return {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": settings.storage_class,
        "resources": {"requests": {"storage": size}},
    }


def pod_template(labels: Mapping[str, str], spec: Data, annotations: Mapping[str, str] | None = None) -> Data:
    annotated = {"annotations": dict(annotations)} if annotations else {}
    return {"metadata": {"labels": dict(labels), **annotated}, "spec": spec}


def job_object(name: str, template: Data, deadline: int) -> Data:
    """A single attempt: a command that failed half-way isn't silently repeated."""
    template = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": deadline, "template": template}
    return new_object("Job", name, {"spec": spec}, "batch/v1")


def postgres_stateful_set(spec: DatabaseSpec, settings: KubernetesSettings, labels: Mapping[str, str]) -> Data:
    name, user = object_names.database(spec), int(settings.postgres_user)
    secret = ContainerEnv(secrets={"POSTGRES_PASSWORD": (name, "password")})
    env = [
        {"name": "POSTGRES_USER", "value": "app"},
        {"name": "POSTGRES_DB", "value": "app"},
        {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
        *secret.to_list(),
    ]
    server: Data = {
        "name": "postgres",
        "image": settings.postgres_image.format(version=spec.version),
        "env": env,
        "ports": [{"name": "postgres", "containerPort": POSTGRES_PORT}],
        "securityContext": container_security(),
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        # Each probe starts a process, which takes longer than the default of one second on a busy node.
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "app"]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "run", "mountPath": "/var/run/postgresql"},
        ],
    }
    inner = pod_spec(settings, [server], volumes=[{"name": "run", "emptyDir": {}}])
    template = pod_template({**labels, object_names.SERVICE: name}, inner)
    return stateful_set(name, template, object_names.SERVICE, settings, (user, "5Gi"))


def stateful_set(
    name: str, template: Data, selector: str, settings: KubernetesSettings, owner_and_size: tuple[int, str]
) -> Data:
    """One pod with the volume ``data``, which belongs to a user and lives as long as the pod if the server has no
    storage. ``selector``: the label that distinguishes its pod."""
    user, size = owner_and_size
    inner = template["spec"]
    inner["securityContext"] |= {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
    body: Data = {
        "serviceName": name,
        "selector": {"matchLabels": {selector: template["metadata"]["labels"][selector]}},
        "template": template,
    }
    if settings.storage_class:
        body["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim_spec(settings, size)}]
    else:
        inner["volumes"] = [*inner.get("volumes", ()), {"name": "data", "emptyDir": {}}]
    return new_object("StatefulSet", name, {"spec": body}, "apps/v1")


def postgres_service(spec: DatabaseSpec) -> Data:
    name = object_names.database(spec)
    ports = [{"name": "postgres", "port": POSTGRES_PORT, "targetPort": "postgres"}]
    return new_object("Service", name, {"spec": {"selector": {object_names.SERVICE: name}, "ports": ports}})


def scripts_config_map(name: str, texts: Mapping[str, str]) -> Data:
    """Keys are numbers, because a key can't be a path."""
    return new_object("ConfigMap", name, {"data": {str(number): text for number, text in enumerate(texts.values())}})


def psql_pod(spec: DatabaseSpec, config_map: str, settings: KubernetesSettings) -> Data:
    """A pod that runs the database's scripts from that ConfigMap with psql, in the server's own image: all or none, and
    only once. A mark in the database, written in the same transaction, records that it was done."""
    user = int(settings.postgres_user)
    variables = ContainerEnv(secrets={"DATABASE_URL": (object_names.database(spec), "url")})
    runs = [word for path in spec.scripts for word in ("-f", escape_expansion(path))]
    container: Data = {
        "name": "psql",
        "image": settings.postgres_image.format(version=spec.version),
        "command": ["sh", "-c", escape_expansion(seed_scripts.RUN_ONCE), "sh", *runs, "-c", seed_scripts.MARK_FILLED],
        "workingDir": "/scripts",
        "env": variables.to_list(),
        "securityContext": container_security(),
        "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
    }
    items = [{"key": str(number), "path": path} for number, path in enumerate(dict.fromkeys(spec.scripts))]
    found = pod_spec(
        settings, [container], volumes=[{"name": "scripts", "configMap": {"name": config_map, "items": items}}]
    )
    found["securityContext"] |= {"runAsUser": user, "runAsGroup": user}
    return found

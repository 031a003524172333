"""Services, Jobs and databases as plain data. Every pod is made by ``pod``, which shuts it in.

``Variables`` are what a container is given: plain values, and those that come from a Secret by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from programs.kubernetes import names, quantities
from programs.kubernetes.objects import SCRATCH, SCRATCH_SET_ASIDE, Data, made
from programs.kubernetes.settings import Settings, pair
from programs.spec import DatabaseSpec, ServiceSpec

HTTP = 80
POSTGRES = 5432
DRAIN = 3
"""Seconds that a pod still answers after it was told to end: until every proxy has heard that it goes."""
GRACE = 10
"""Seconds that a pod has to end: nobody waits half a minute for a preview that ignores the signal."""
PORT = 8080
"""Where an image listens that does not say otherwise."""


@dataclass(frozen=True, slots=True)
class Variables:
    """``secrets``: variable to the Secret that holds it and the key in it."""

    plain: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def data(self) -> list[Data]:
        listed: list[Data] = [{"name": name, "value": literal(value)} for name, value in sorted(self.plain.items())]
        for name, (secret, key) in sorted(self.secrets.items()):
            if name not in self.plain:
                listed.append({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
        return listed


def port_of(service: ServiceSpec) -> int:
    return service.port or PORT


def serves(service: ServiceSpec) -> bool:
    """Whether anything connects to it; a worker has no port and is reached by nobody."""
    return not service.schedule and (service.public or service.port > 0)


def shut_in() -> Data:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def pod(on: Settings, containers: list[Data], **more: Any) -> Data:
    """A pod's spec: no token, not root, no capabilities, on the nodes that the server names."""
    spec: Data = {
        "serviceAccountName": names.ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": containers,
        **placed(on),
        **more,
    }
    if on.pull_secret_file:
        spec["imagePullSecrets"] = [{"name": names.PULL_SECRET}]
    return spec


def placed(on: Settings) -> Data:
    """On the nodes that the server names: those only, or those first and others when there is no room."""
    if not on.spot:
        return {}
    key, value = pair(on.spot, "spot")
    tolerations = [{"key": key, "operator": "Equal", "value": value}]
    if on.spot_nodes == "required":
        return {"nodeSelector": {key: value}, "tolerations": tolerations}
    label = {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": label}]}
    return {"affinity": {"nodeAffinity": preferred}, "tolerations": tolerations}


def literal(text: str) -> str:
    """As it stands: Kubernetes reads ``$(NAME)`` and ``$$`` in values and commands as its own."""
    return text.replace("$", "$$")


def container(service: ServiceSpec, image: str, variables: Variables, on: Settings) -> Data:
    data: Data = {"name": service.name, "image": image, "env": variables.data(), "securityContext": shut_in()}
    if service.command:
        data["command"] = ["sh", "-c", literal(service.command)]
    if serves(service):
        data["ports"] = [{"name": "http", "containerPort": port_of(service)}]
        data["readinessProbe"] = _probe(service)
        data["lifecycle"] = {"preStop": {"sleep": {"seconds": DRAIN}}}
    share = _resources(service, on)
    if share:
        data["resources"] = share
    if service.volumes:
        data["volumeMounts"] = [{"name": f"data-{i}", "mountPath": path} for i, path in enumerate(service.volumes)]
    return data


def _resources(service: ServiceSpec, on: Settings) -> Data:
    """What it asks for is its bound. Memory is set aside, for it cannot be taken back; CPU is shared, so a tenth is.
    Volumes that live with the pod count as its scratch space."""
    limits = {what: quantities.legal(asked) for what, asked in service.resources.items()}
    requests = dict(limits)
    if "cpu" in limits:
        requests["cpu"] = f"{max(1, int(quantities.number(limits['cpu']) * 100))}m"
    if service.volumes and not on.storage_class:
        scratch = sum((quantities.number(size) for size in service.volumes.values()), quantities.number(SCRATCH))
        limits["ephemeral-storage"] = str(int(scratch))
        requests["ephemeral-storage"] = SCRATCH_SET_ASIDE
    return {"limits": limits, "requests": requests} if limits else {}


def _probe(service: ServiceSpec) -> Data:
    """Only public services promise a health check; the others are ready when they accept connections."""
    how: Data = {"tcpSocket": {"port": "http"}}
    if service.public:
        how = {"httpGet": {"path": service.health.path, "port": "http"}}
    return {**how, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 3}


def deployment(service: ServiceSpec, template: Data, on: Settings) -> Data:
    """The old pods answer until the new ones do; volumes that only one pod can have are handed over instead."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    alone = bool(service.volumes and on.storage_class)
    spec = {
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": max(service.health.deadline, 1),
        "strategy": {"type": "Recreate"} if alone else rolling,
        "selector": {"matchLabels": {names.SERVICE: service.name}},
        "template": template,
    }
    data = made("Deployment", service.name, {"spec": spec}, "apps/v1")
    if service.after:
        data["metadata"]["annotations"] = {names.AFTER: ",".join(service.after)}
    return data


def cron(service: ServiceSpec, template: Data) -> Data:
    template = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
    spec = {
        "schedule": service.schedule,
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {"spec": {"backoffLimit": 0, "activeDeadlineSeconds": 3600, "template": template}},
    }
    return made("CronJob", service.name, {"spec": spec}, "batch/v1")


def reached(service: ServiceSpec) -> Data:
    ports = [{"name": "http", "port": HTTP, "targetPort": "http"}]
    return made("Service", service.name, {"spec": {"selector": {names.SERVICE: service.name}, "ports": ports}})


def volumes(service: ServiceSpec, on: Settings) -> list[Data]:
    """Those of the pod: claims where the server has storage, else they live as long as the pod."""
    found: list[Data] = []
    for index, size in enumerate(service.volumes.values()):
        source: Data = {"emptyDir": {"sizeLimit": size}}
        if on.storage_class:
            source = {"persistentVolumeClaim": {"claimName": f"{service.name}-data-{index}"}}
        found.append({"name": f"data-{index}", **source})
    return found


def claims(service: ServiceSpec, on: Settings) -> list[Data]:
    if not on.storage_class:
        return []
    return [
        made("PersistentVolumeClaim", f"{service.name}-data-{index}", {"spec": claim(on, size)})
        for index, size in enumerate(service.volumes.values())
    ]


def claim(on: Settings, size: str) -> Data:
    return {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": on.storage_class,
        "resources": {"requests": {"storage": size}},
    }


def template(labels: Mapping[str, str], spec: Data, notes: Mapping[str, str] | None = None) -> Data:
    annotated = {"annotations": dict(notes)} if notes else {}
    return {"metadata": {"labels": dict(labels), **annotated}, "spec": spec}


def job(name: str, template_: Data, seconds: int) -> Data:
    """One try: a command that failed half-way is not run again behind anybody's back."""
    template_ = {**template_, "spec": {**template_["spec"], "restartPolicy": "Never"}}
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": seconds, "template": template_}
    return made("Job", name, {"spec": spec}, "batch/v1")


def postgres(spec: DatabaseSpec, on: Settings, labels: Mapping[str, str]) -> Data:
    name, user = names.database(spec), int(on.postgres_user)
    secret = Variables(secrets={"POSTGRES_PASSWORD": (name, "password")})
    env = [
        {"name": "POSTGRES_USER", "value": "app"},
        {"name": "POSTGRES_DB", "value": "app"},
        {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
        *secret.data(),
    ]
    server: Data = {
        "name": "postgres",
        "image": on.postgres_image.format(version=spec.version),
        "env": env,
        "ports": [{"name": "postgres", "containerPort": POSTGRES}],
        "securityContext": shut_in(),
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        # A process is started for each look, which takes more than the one second of old on a node that is busy.
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
    scratch: list[Data] = [{"name": "run", "emptyDir": {}}]
    if not on.storage_class:
        scratch.append({"name": "data", "emptyDir": {}})
    inner = pod(on, [server], volumes=scratch)
    inner["securityContext"] |= {"runAsUser": user, "runAsGroup": user, "fsGroup": user}
    body: Data = {
        "serviceName": name,
        "selector": {"matchLabels": {names.SERVICE: name}},
        "template": template({**labels, names.SERVICE: name}, inner),
    }
    if on.storage_class:
        body["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim(on, "5Gi")}]
    return made("StatefulSet", name, {"spec": body}, "apps/v1")


def postgres_service(spec: DatabaseSpec) -> Data:
    name = names.database(spec)
    ports = [{"name": "postgres", "port": POSTGRES, "targetPort": "postgres"}]
    return made("Service", name, {"spec": {"selector": {names.SERVICE: name}, "ports": ports}})


_FILLED = "filled by eph"
_MARK = (
    f"DO 'BEGIN COMMENT ON SCHEMA public IS ''{_FILLED}''; "
    "EXCEPTION WHEN insufficient_privilege OR invalid_schema_name THEN NULL; END'"
)
_PSQL = f"""\
mark=$(psql "$DATABASE_URL" -XAtc "SELECT obj_description(to_regnamespace('public'), 'pg_namespace')")
[ "$mark" != "{_FILLED}" ] || {{ echo "it was filled before"; exit 0; }}
exec psql "$DATABASE_URL" -X -q -v ON_ERROR_STOP=1 -1 "$@"
"""


def scripts(name: str, texts: Mapping[str, str]) -> Data:
    """By number, since a key can't be a path."""
    return made("ConfigMap", name, {"data": {str(number): text for number, text in enumerate(texts.values())}})


def psql(spec: DatabaseSpec, config: str, on: Settings) -> Data:
    """A pod that runs the database's scripts, which lie in that ConfigMap, by psql in the server's own image: all or
    none, and never again. A mark in the database, written in the same transaction, says that it was done."""
    user = int(on.postgres_user)
    variables = Variables(secrets={"DATABASE_URL": (names.database(spec), "url")})
    runs = [word for path in spec.scripts for word in ("-f", literal(path))]
    container: Data = {
        "name": "psql",
        "image": on.postgres_image.format(version=spec.version),
        "command": ["sh", "-c", literal(_PSQL), "sh", *runs, "-c", _MARK],
        "workingDir": "/scripts",
        "env": variables.data(),
        "securityContext": shut_in(),
        "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
    }
    items = [{"key": str(number), "path": path} for number, path in enumerate(dict.fromkeys(spec.scripts))]
    found = pod(on, [container], volumes=[{"name": "scripts", "configMap": {"name": config, "items": items}}])
    found["securityContext"] |= {"runAsUser": user, "runAsGroup": user}
    return found

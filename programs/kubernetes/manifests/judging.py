"""What a repository's object may be: lists of what is allowed, and a sentence for everything else.

Lists of what is forbidden are always one field behind Kubernetes. So a field that stands in no list here is refused,
and the message names it. Pod Security and RBAC of the cluster stand behind this, and are not relied on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from programs.kubernetes import names
from programs.kubernetes.manifests.reading import Found

Judge = Callable[[Mapping[str, Any]], Iterator[str]]
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


POD = _words(
    "activeDeadlineSeconds automountServiceAccountToken containers dnsPolicy enableServiceLinks hostname "
    "imagePullSecrets initContainers restartPolicy securityContext serviceAccountName setHostnameAsFQDN "
    "shareProcessNamespace subdomain terminationGracePeriodSeconds volumes"
)
POD_SECURITY = _words("fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seccompProfile supplementalGroups")
CONTAINER = _words(
    "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resources "
    "restartPolicy securityContext startupProbe stdin terminationMessagePath terminationMessagePolicy tty volumeMounts "
    "workingDir"
)
SECURITY = _words(
    "allowPrivilegeEscalation capabilities privileged readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser "
    "seccompProfile"
)
VOLUMES = _words("configMap downwardAPI emptyDir name persistentVolumeClaim projected secret")
PROJECTED = _words("configMap downwardAPI secret")
PORT = _words("containerPort name protocol")
SERVICE = _words(
    "clusterIP ipFamilies ipFamilyPolicy ports publishNotReadyAddresses selector sessionAffinity "
    "sessionAffinityConfig type"
)
SERVICE_PORT = _words("appProtocol name port protocol targetPort")
SECRET = _words("apiVersion data immutable kind metadata stringData type")
SECRET_TYPES = ("Opaque", "kubernetes.io/basic-auth", "kubernetes.io/tls")
CONFIG = _words("apiVersion binaryData data immutable kind metadata")
METADATA = _words("annotations labels name namespace")
TEMPLATE_METADATA = _words("annotations creationTimestamp labels name")
ANNOTATIONS = ("app.kubernetes.io/", "checksum/", "prometheus.io/", "kubectl.kubernetes.io/default-container")
WORKLOAD = {
    "Deployment": _words(
        "minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit selector strategy template"
    ),
    "StatefulSet": _words(
        "minReadySeconds persistentVolumeClaimRetentionPolicy podManagementPolicy replicas revisionHistoryLimit "
        "selector serviceName template updateStrategy volumeClaimTemplates"
    ),
    "Job": _words(
        "activeDeadlineSeconds backoffLimit completionMode completions parallelism template ttlSecondsAfterFinished"
    ),
}
CLAIM = _words("accessModes resources storageClassName volumeMode")
CRON = _words(
    "concurrencyPolicy failedJobsHistoryLimit jobTemplate schedule startingDeadlineSeconds "
    "successfulJobsHistoryLimit suspend timeZone"
)
SCALER = _words("behavior maxReplicas metrics minReplicas scaleTargetRef")
BUDGET = _words("maxUnavailable minAvailable selector unhealthyPodEvictionPolicy")


def judge(found: Found, namespace: str) -> None:
    """Raises with the first thing that may not be there."""
    kind, version = found.data["kind"], found.data["apiVersion"]
    allowed = KINDS.get(kind)
    if allowed is None or version not in allowed[0]:
        known = ", ".join(sorted(KINDS))
        raise found.refused(f"{version} {kind} is not among the kinds that a preview may bring: {known}")
    for sentence in (*_metadata(found, namespace), *allowed[1](found.data)):
        raise found.refused(sentence)


def _metadata(found: Found, namespace: str) -> Iterator[str]:
    metadata = found.data["metadata"]
    yield from _only(metadata, METADATA, "metadata")
    if metadata.get("namespace", namespace) != namespace:
        yield f"metadata.namespace is {metadata['namespace']!r}; take it out, the environment's own is used"
    if not _NAME.fullmatch(found.name):
        yield "its name must be lower-case letters, digits, dashes and dots"
    if found.name.startswith(names.PREFIX):
        yield f"names that begin with {names.PREFIX} are Eph's own"
    yield from _marks(metadata)


def _marks(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Labels that are ours would make it another environment's; annotations give orders to controllers."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for key in (*labels, *annotations):
        if f"{names.DOMAIN}/" in key:
            yield f"{key} is Eph's own; take it out"
    for key in annotations:
        if not key.startswith(ANNOTATIONS):
            yield f"the annotation {key} is not allowed; those may begin with {', '.join(ANNOTATIONS)}"


def _only(data: Any, allowed: frozenset[str], where: str) -> Iterator[str]:
    if not isinstance(data, dict):
        yield f"{where} is no mapping"
        return
    for key in data:
        if key not in allowed:
            yield f"{where}.{key} is not allowed in a preview"


# --- workloads


def _workload(data: Mapping[str, Any]) -> Iterator[str]:
    spec = data.get("spec")
    yield from _only(spec, WORKLOAD[data["kind"]], "spec")
    for claim in (spec or {}).get("volumeClaimTemplates") or []:
        yield from _only(claim.get("spec"), CLAIM, "spec.volumeClaimTemplates.spec")
    yield from _template((spec or {}).get("template"), "spec.template")


def _cron(data: Mapping[str, Any]) -> Iterator[str]:
    spec = data.get("spec")
    yield from _only(spec, CRON, "spec")
    job = ((spec or {}).get("jobTemplate") or {}).get("spec")
    yield from _only(job, WORKLOAD["Job"], "spec.jobTemplate.spec")
    yield from _template((job or {}).get("template"), "spec.jobTemplate.spec.template")


def _template(template: Any, where: str) -> Iterator[str]:
    yield from _only(template, frozenset(("metadata", "spec")), where)
    if not isinstance(template, dict):
        return
    metadata = template.get("metadata") or {}
    yield from _only(metadata, TEMPLATE_METADATA, f"{where}.metadata")
    yield from _marks(metadata)
    yield from _pod(template.get("spec"), f"{where}.spec")


def _pod(spec: Any, where: str) -> Iterator[str]:
    yield from _only(spec, POD, where)
    if not isinstance(spec, dict):
        return
    yield from _security(spec.get("securityContext") or {}, POD_SECURITY, f"{where}.securityContext")
    if spec.get("automountServiceAccountToken"):
        yield f"{where}.automountServiceAccountToken: previews get no token of the cluster"
    for index, volume in enumerate(spec.get("volumes") or []):
        yield from _volume(volume, f"{where}.volumes[{index}]")
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    if not spec.get("containers"):
        yield f"{where}.containers is missing"
    for container in containers:
        yield from _container(container, f"{where}.containers")


def _security(data: Any, allowed: frozenset[str], where: str) -> Iterator[str]:
    yield from _only(data, allowed, where)
    if not isinstance(data, dict):
        return
    for key in ("privileged", "allowPrivilegeEscalation"):
        if data.get(key):
            yield f"{where}.{key} is not allowed in a preview"
    if data.get("runAsNonRoot") is False:
        yield f"{where}.runAsNonRoot: false is not allowed in a preview"
    if data.get("runAsUser") == 0:
        yield f"{where}.runAsUser: 0 is root, which is not allowed in a preview"
    if (data.get("seccompProfile") or {}).get("type", "RuntimeDefault") != "RuntimeDefault":
        yield f"{where}.seccompProfile may only be RuntimeDefault"
    capabilities = data.get("capabilities") or {}
    yield from _only(capabilities, frozenset(("add", "drop")), f"{where}.capabilities")
    if capabilities.get("add"):
        yield f"{where}.capabilities.add is not allowed in a preview"


def _container(container: Any, where: str) -> Iterator[str]:
    yield from _only(container, CONTAINER, where)
    if not isinstance(container, dict):
        return
    where = f"container {container.get('name')}"
    if not isinstance(container.get("image"), str):
        yield f"{where}: image is missing"
    yield from _security(container.get("securityContext") or {}, SECURITY, f"{where}: securityContext")
    for port in container.get("ports") or []:
        yield from _only(port, PORT, f"{where}: ports")
    for variable in container.get("env") or []:
        secret = ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
        if secret in names.GUARDED:
            yield f"{where}: the secret {secret} is the server's own"
    for source in container.get("envFrom") or []:
        secret = (source.get("secretRef") or {}).get("name")
        if secret in names.GUARDED:
            yield f"{where}: the secret {secret} is the server's own"


def _volume(volume: Any, where: str) -> Iterator[str]:
    yield from _only(volume, VOLUMES, where)
    if not isinstance(volume, dict):
        return
    secrets = [volume.get("secret") or {}]
    for source in (volume.get("projected") or {}).get("sources") or []:
        yield from _only(source, PROJECTED, f"{where}.projected")
        secrets.append(source.get("secret") or {})
    for item in secrets:
        for name in {item.get("secretName"), item.get("name")} & set(names.GUARDED):
            yield f"{where}: the secret {name} is the server's own"


# --- the rest


def _service(data: Mapping[str, Any]) -> Iterator[str]:
    spec = data.get("spec")
    yield from _only(spec, SERVICE, "spec")
    spec = spec or {}
    if spec.get("type", "ClusterIP") != "ClusterIP":
        yield f"spec.type is {spec['type']}; a preview's services are ClusterIP, and people come through its URL"
    if spec.get("clusterIP", "None") not in ("None", ""):
        yield "spec.clusterIP may only be None"
    if not spec.get("selector"):
        yield "spec.selector is missing; a service without one could lead anywhere"
    for port in spec.get("ports") or []:
        yield from _only(port, SERVICE_PORT, "spec.ports")


def _secret(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only(data, SECRET, "it")
    if data.get("type", "Opaque") not in SECRET_TYPES:
        yield f"type {data['type']} is not allowed in a preview"


def _config(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only(data, CONFIG, "it")


def _claim(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only(data.get("spec"), CLAIM, "spec")


def _scaler(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only(data.get("spec"), SCALER, "spec")


def _budget(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only(data.get("spec"), BUDGET, "spec")


def _ingress(_: Mapping[str, Any]) -> Iterator[str]:
    """Not applied: it only says which service people reach; host, class and certificate are the server's to give."""
    yield from ()


KINDS: Mapping[str, tuple[tuple[str, ...], Judge]] = {
    "ConfigMap": (("v1",), _config),
    "CronJob": (("batch/v1",), _cron),
    "Deployment": (("apps/v1",), _workload),
    "HorizontalPodAutoscaler": (("autoscaling/v2",), _scaler),
    "Ingress": (("networking.k8s.io/v1",), _ingress),
    "Job": (("batch/v1",), _workload),
    "PersistentVolumeClaim": (("v1",), _claim),
    "PodDisruptionBudget": (("policy/v1",), _budget),
    "Secret": (("v1",), _secret),
    "Service": (("v1",), _service),
    "StatefulSet": (("apps/v1",), _workload),
}

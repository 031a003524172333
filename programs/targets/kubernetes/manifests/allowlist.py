"""What an object from a repository may contain: lists of what is allowed, and an error for everything else.

A denylist is always one field behind Kubernetes. So a field that isn't listed here is rejected, and the error names it.
The cluster's Pod Security and RBAC are a second line of defence, and aren't relied on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests.manifest_reader import Manifest

FieldCheck = Callable[[Mapping[str, Any]], Iterator[str]]
MAX_PROBLEMS = 40
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


def _fields(text: str) -> frozenset[str]:
    return frozenset(text.split())


POD_FIELDS = _fields(
    "activeDeadlineSeconds automountServiceAccountToken containers dnsPolicy enableServiceLinks hostname "
    "imagePullSecrets initContainers restartPolicy securityContext serviceAccountName setHostnameAsFQDN "
    "shareProcessNamespace subdomain terminationGracePeriodSeconds volumes"
)
POD_SECURITY_FIELDS = _fields(
    "fsGroup fsGroupChangePolicy runAsGroup runAsNonRoot runAsUser seccompProfile supplementalGroups"
)
CONTAINER_FIELDS = _fields(
    "args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resources "
    "restartPolicy securityContext startupProbe stdin terminationMessagePath terminationMessagePolicy tty volumeMounts "
    "workingDir"
)
CONTAINER_SECURITY_FIELDS = _fields(
    "allowPrivilegeEscalation capabilities privileged readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser "
    "seccompProfile"
)
VOLUME_FIELDS = _fields("configMap downwardAPI emptyDir name persistentVolumeClaim projected secret")
PROJECTED_FIELDS = _fields("configMap downwardAPI secret")
PORT_FIELDS = _fields("containerPort name protocol")
SERVICE_FIELDS = _fields(
    "clusterIP ipFamilies ipFamilyPolicy ports publishNotReadyAddresses selector sessionAffinity "
    "sessionAffinityConfig type"
)
SERVICE_PORT_FIELDS = _fields("appProtocol name port protocol targetPort")
SECRET_FIELDS = _fields("apiVersion data immutable kind metadata stringData type")
SECRET_TYPES = ("Opaque", "kubernetes.io/basic-auth", "kubernetes.io/tls")
CONFIG_MAP_FIELDS = _fields("apiVersion binaryData data immutable kind metadata")
METADATA_FIELDS = _fields("annotations labels name namespace")
TEMPLATE_METADATA_FIELDS = _fields("annotations creationTimestamp labels name")
ANNOTATION_PREFIXES = ("app.kubernetes.io/", "checksum/", "prometheus.io/", "kubectl.kubernetes.io/default-container")
WORKLOAD_FIELDS = {
    "Deployment": _fields(
        "minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit selector strategy template"
    ),
    "StatefulSet": _fields(
        "minReadySeconds persistentVolumeClaimRetentionPolicy podManagementPolicy replicas revisionHistoryLimit "
        "selector serviceName template updateStrategy volumeClaimTemplates"
    ),
    "Job": _fields(
        "activeDeadlineSeconds backoffLimit completionMode completions parallelism template ttlSecondsAfterFinished"
    ),
}
CLAIM_FIELDS = _fields("accessModes resources storageClassName volumeMode")
CRON_JOB_FIELDS = _fields(
    "concurrencyPolicy failedJobsHistoryLimit jobTemplate schedule startingDeadlineSeconds "
    "successfulJobsHistoryLimit suspend timeZone"
)
AUTOSCALER_FIELDS = _fields("behavior maxReplicas metrics minReplicas scaleTargetRef")
DISRUPTION_BUDGET_FIELDS = _fields("maxUnavailable minAvailable selector unhealthyPodEvictionPolicy")


def check_manifests(manifests: Iterable[Manifest], namespace: str) -> None:
    """Raises with everything that isn't allowed, each with its file and object, so that one push can fix it all."""
    errors = [manifest.error(problem).sentence for manifest in manifests for problem in _problems(manifest, namespace)]
    if len(errors) == 1:
        raise KubernetesError(errors[0])
    if errors:
        raise KubernetesError(f"{errors[0]} ({len(errors)} problems in the manifests)", errors[:MAX_PROBLEMS])


def _problems(manifest: Manifest, namespace: str) -> Iterator[str]:
    kind, version = manifest.data["kind"], manifest.data["apiVersion"]
    allowed = ALLOWED_KINDS.get(kind)
    if allowed is None or version not in allowed[0]:
        known = ", ".join(sorted(ALLOWED_KINDS))
        yield f"{version} {kind} isn't allowed in a preview; allowed kinds: {known}"
        return
    yield from _metadata(manifest, namespace)
    yield from allowed[1](manifest.data)


def _metadata(manifest: Manifest, namespace: str) -> Iterator[str]:
    metadata = manifest.data["metadata"]
    yield from _only_allowed(metadata, METADATA_FIELDS, "metadata")
    if metadata.get("namespace", namespace) != namespace:
        yield f"metadata.namespace is {metadata['namespace']!r}; remove it, because Eph sets the namespace"
    if not _NAME.fullmatch(manifest.name):
        yield "names consist of lowercase letters, digits, dashes and dots"
    if manifest.name.startswith(object_names.PREFIX):
        yield f"names that start with {object_names.PREFIX} are reserved for Eph"
    yield from _label_problems(metadata)


def _label_problems(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Our labels would assign it to another environment; annotations can control other controllers."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for key in (*labels, *annotations):
        if f"{object_names.DOMAIN}/" in key:
            yield f"{key} is reserved for Eph; remove it"
    for key in annotations:
        if not key.startswith(ANNOTATION_PREFIXES):
            yield f"the annotation {key} isn't allowed; allowed prefixes: {', '.join(ANNOTATION_PREFIXES)}"


def _only_allowed(data: Any, allowed: frozenset[str], where: str) -> Iterator[str]:
    if not isinstance(data, dict):
        yield f"{where} must be a mapping"
        return
    for key in data:
        if key not in allowed:
            yield f"{where}.{key} is not allowed in a preview"


# --- workloads


def _workload(data: Mapping[str, Any]) -> Iterator[str]:
    spec = data.get("spec")
    yield from _only_allowed(spec, WORKLOAD_FIELDS[data["kind"]], "spec")
    for claim in (spec or {}).get("volumeClaimTemplates") or []:
        yield from _only_allowed(claim.get("spec"), CLAIM_FIELDS, "spec.volumeClaimTemplates.spec")
    yield from _template((spec or {}).get("template"), "spec.template")


def _cron_job(data: Mapping[str, Any]) -> Iterator[str]:
    spec = data.get("spec")
    yield from _only_allowed(spec, CRON_JOB_FIELDS, "spec")
    job = ((spec or {}).get("jobTemplate") or {}).get("spec")
    yield from _only_allowed(job, WORKLOAD_FIELDS["Job"], "spec.jobTemplate.spec")
    yield from _template((job or {}).get("template"), "spec.jobTemplate.spec.template")


def _template(template: Any, where: str) -> Iterator[str]:
    yield from _only_allowed(template, frozenset(("metadata", "spec")), where)
    if not isinstance(template, dict):
        return
    metadata = template.get("metadata") or {}
    yield from _only_allowed(metadata, TEMPLATE_METADATA_FIELDS, f"{where}.metadata")
    yield from _label_problems(metadata)
    yield from _pod(template.get("spec"), f"{where}.spec")


def _pod(spec: Any, where: str) -> Iterator[str]:
    yield from _only_allowed(spec, POD_FIELDS, where)
    if not isinstance(spec, dict):
        return
    yield from _security(spec.get("securityContext") or {}, POD_SECURITY_FIELDS, f"{where}.securityContext")
    if spec.get("automountServiceAccountToken"):
        yield f"{where}.automountServiceAccountToken: previews don't get a service account token"
    for index, volume in enumerate(spec.get("volumes") or []):
        yield from _volume(volume, f"{where}.volumes[{index}]")
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    if not spec.get("containers"):
        yield f"{where}.containers is missing"
    for container in containers:
        yield from _container(container, f"{where}.containers")


def _security(data: Any, allowed: frozenset[str], where: str) -> Iterator[str]:
    yield from _only_allowed(data, allowed, where)
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
        yield f"{where}.seccompProfile must be RuntimeDefault"
    capabilities = data.get("capabilities") or {}
    yield from _only_allowed(capabilities, frozenset(("add", "drop")), f"{where}.capabilities")
    if capabilities.get("add"):
        yield f"{where}.capabilities.add is not allowed in a preview"


def _container(container: Any, where: str) -> Iterator[str]:
    yield from _only_allowed(container, CONTAINER_FIELDS, where)
    if not isinstance(container, dict):
        return
    where = f"container {container.get('name')}"
    if not isinstance(container.get("image"), str):
        yield f"{where}: image is missing"
    yield from _security(container.get("securityContext") or {}, CONTAINER_SECURITY_FIELDS, f"{where}: securityContext")
    for port in container.get("ports") or []:
        yield from _only_allowed(port, PORT_FIELDS, f"{where}: ports")
    for variable in container.get("env") or []:
        secret = ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")
        if secret in object_names.SERVER_SECRETS:
            yield f"{where}: the Secret {secret} is reserved for the server"
    for source in container.get("envFrom") or []:
        secret = (source.get("secretRef") or {}).get("name")
        if secret in object_names.SERVER_SECRETS:
            yield f"{where}: the Secret {secret} is reserved for the server"


def _volume(volume: Any, where: str) -> Iterator[str]:
    yield from _only_allowed(volume, VOLUME_FIELDS, where)
    if not isinstance(volume, dict):
        return
    secrets = [volume.get("secret") or {}]
    for source in (volume.get("projected") or {}).get("sources") or []:
        yield from _only_allowed(source, PROJECTED_FIELDS, f"{where}.projected")
        secrets.append(source.get("secret") or {})
    for item in secrets:
        for name in {item.get("secretName"), item.get("name")} & set(object_names.SERVER_SECRETS):
            yield f"{where}: the Secret {name} is reserved for the server"


# --- the rest


def _service(data: Mapping[str, Any]) -> Iterator[str]:
    spec = data.get("spec")
    yield from _only_allowed(spec, SERVICE_FIELDS, "spec")
    spec = spec or {}
    if spec.get("type", "ClusterIP") != "ClusterIP":
        yield f"spec.type is {spec['type']}; only ClusterIP is allowed, because people use the preview's URL"
    if spec.get("clusterIP", "None") not in ("None", ""):
        yield "spec.clusterIP must be None"
    if not spec.get("selector"):
        yield "spec.selector is missing; a service without one could route anywhere"
    for port in spec.get("ports") or []:
        yield from _only_allowed(port, SERVICE_PORT_FIELDS, "spec.ports")


def _secret(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only_allowed(data, SECRET_FIELDS, "it")
    if data.get("type", "Opaque") not in SECRET_TYPES:
        yield f"type {data['type']} is not allowed in a preview"


def _config_map(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only_allowed(data, CONFIG_MAP_FIELDS, "it")


def _claim(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only_allowed(data.get("spec"), CLAIM_FIELDS, "spec")


def _autoscaler(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only_allowed(data.get("spec"), AUTOSCALER_FIELDS, "spec")


def _disruption_budget(data: Mapping[str, Any]) -> Iterator[str]:
    yield from _only_allowed(data.get("spec"), DISRUPTION_BUDGET_FIELDS, "spec")


def _ingress(_: Mapping[str, Any]) -> Iterator[str]:
    """Not applied: it only says which service is public. The server sets host, class and certificate."""
    yield from ()


ALLOWED_KINDS: Mapping[str, tuple[tuple[str, ...], FieldCheck]] = {
    "ConfigMap": (("v1",), _config_map),
    "CronJob": (("batch/v1",), _cron_job),
    "Deployment": (("apps/v1",), _workload),
    "HorizontalPodAutoscaler": (("autoscaling/v2",), _autoscaler),
    "Ingress": (("networking.k8s.io/v1",), _ingress),
    "Job": (("batch/v1",), _workload),
    "PersistentVolumeClaim": (("v1",), _claim),
    "PodDisruptionBudget": (("policy/v1",), _disruption_budget),
    "Secret": (("v1",), _secret),
    "Service": (("v1",), _service),
    "StatefulSet": (("apps/v1",), _workload),
}

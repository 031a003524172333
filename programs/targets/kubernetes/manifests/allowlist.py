"""What an object from a repository may contain: lists of what is allowed, and an error for everything else.

A denylist is always one field behind Kubernetes. So a field that isn't listed here is rejected, and the error names it.
The cluster's Pod Security and RBAC are a second line of defence, and aren't relied on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import wording
from programs.targets.kubernetes.manifests.field_checks import (
    FieldCheck,
    anything,
    choice,
    flag,
    list_of,
    mapping,
    number,
    text,
    text_map,
    text_or_number,
    texts,
    with_required,
)
from programs.targets.kubernetes.manifests.manifest_reader import Manifest
from programs.targets.kubernetes.manifests.pod_fields import POD

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")

METADATA_FIELDS = frozenset(("annotations", "labels", "name", "namespace"))
ANNOTATION_PREFIXES = ("app.kubernetes.io/", "checksum/", "prometheus.io/", "kubectl.kubernetes.io/default-container")
SECRET_TYPES = ("Opaque", "kubernetes.io/basic-auth", "kubernetes.io/tls")
NOT_APPLIED = ("HTTPRoute", "Ingress", "PodDisruptionBudget", "ServiceAccount")
"""Kinds that manifests may contain, too, but that previews don't get (``omissions``)."""
MAX_REPLICAS = 100
"""Of anything that a controller creates in numbers: pods, and finished Jobs and revisions that it keeps."""


def refusals(manifest: Manifest, namespace: str) -> list[KubernetesError]:
    """Everything that isn't allowed in it."""
    return [manifest.error(problem) for problem in _problems(manifest, namespace)]


def _problems(manifest: Manifest, namespace: str) -> Iterator[str]:
    kind, version = manifest.data["kind"], manifest.data["apiVersion"]
    allowed = ALLOWED_KINDS.get(kind)
    if allowed is None or version != allowed[0]:
        yield wording.fields.kind_not_allowed(version, kind, sorted((*ALLOWED_KINDS, *NOT_APPLIED)))
        return
    yield from _metadata(manifest, namespace)
    yield from _body(manifest.data, allowed[1])


def _metadata(manifest: Manifest, namespace: str) -> Iterator[str]:
    metadata = manifest.data["metadata"]
    for key in metadata:
        if key not in METADATA_FIELDS:
            yield wording.fields.not_allowed(f"metadata.{key}")
    if metadata.get("namespace", namespace) != namespace:
        yield wording.fields.namespace_is_set(metadata["namespace"])
    if not _NAME.fullmatch(manifest.name):
        yield wording.fields.INVALID_NAME
    if manifest.name.startswith(object_names.PREFIX):
        yield wording.fields.reserved_name(object_names.PREFIX)
    yield from _labels_check(metadata.get("labels", {}), "metadata.labels")
    yield from _annotations_check(metadata.get("annotations", {}), "metadata.annotations")


def _body(data: Mapping[str, Any], check: FieldCheck) -> Iterator[str]:
    """The paths of fields begin below the object."""
    for sentence in check(data, ""):
        yield sentence.removeprefix(".")


def _label_problems(labels: Mapping[str, Any], annotations: Mapping[str, Any]) -> Iterator[str]:
    """Our labels would assign it to another environment; annotations can control other controllers."""
    for key in (*labels, *annotations):
        if f"{object_names.DOMAIN}/" in key:
            yield wording.fields.reserved_key(key)
    for key in annotations:
        if not key.startswith(ANNOTATION_PREFIXES):
            yield wording.fields.annotation_not_allowed(key, ANNOTATION_PREFIXES)


# --- kinds


def _labels_check(value: Any, where: str) -> Iterator[str]:
    yield from text_map(value, where)
    if isinstance(value, dict):
        yield from _label_problems(value, {})


def _annotations_check(value: Any, where: str) -> Iterator[str]:
    yield from text_map(value, where)
    if isinstance(value, dict):
        yield from _label_problems({}, value)


def _selector(value: Any, where: str) -> Iterator[str]:
    yield from text_map(value, where)
    if not value:
        yield wording.fields.empty_selector(where)


def _cluster_ip(value: Any, where: str) -> Iterator[str]:
    if value not in ("None", ""):
        yield wording.fields.must_be_headless(where)


def _service_type(value: Any, where: str) -> Iterator[str]:
    if value != "ClusterIP":
        yield wording.fields.service_type(where, value)


def _secret_type(value: Any, where: str) -> Iterator[str]:
    if value not in SECRET_TYPES:
        yield wording.fields.secret_type(where, value)


_INNER_METADATA = {"annotations": _annotations_check, "labels": _labels_check}
_TEMPLATE_METADATA = mapping({**_INNER_METADATA, "creationTimestamp": text, "name": text})
_TEMPLATE = with_required(mapping({"metadata": _TEMPLATE_METADATA, "spec": POD}), "spec")
_EXPRESSION = mapping({"key": text, "operator": text, "values": texts})
_LABEL_SELECTOR = mapping({"matchExpressions": list_of(_EXPRESSION), "matchLabels": text_map})
_STORAGE = mapping({"storage": text_or_number})
_CLAIM_RESOURCES = mapping({"limits": _STORAGE, "requests": _STORAGE})
_CLAIM = mapping(
    {"accessModes": texts, "resources": _CLAIM_RESOURCES, "storageClassName": text, "volumeMode": choice("Filesystem")}
)
_CLAIM_TEMPLATE = mapping({"apiVersion": text, "kind": text, "metadata": _TEMPLATE_METADATA, "spec": _CLAIM})
_LIMITED = number(MAX_REPLICAS)
_ROLLING = mapping({"maxSurge": text_or_number, "maxUnavailable": text_or_number, "partition": number()})
_STRATEGY = mapping({"rollingUpdate": _ROLLING, "type": text})
_WORKLOAD = {
    "minReadySeconds": number(),
    "replicas": _LIMITED,
    "revisionHistoryLimit": _LIMITED,
    "selector": _LABEL_SELECTOR,
    "template": _TEMPLATE,
}
_DEPLOYMENT = {**_WORKLOAD, "paused": flag, "progressDeadlineSeconds": number(), "strategy": _STRATEGY}
_STATEFUL_SET = {
    **_WORKLOAD,
    "persistentVolumeClaimRetentionPolicy": mapping({"whenDeleted": text, "whenScaled": text}),
    "podManagementPolicy": text,
    "serviceName": text,
    "updateStrategy": _STRATEGY,
    "volumeClaimTemplates": list_of(with_required(_CLAIM_TEMPLATE, "spec")),
}
_JOB = mapping(
    {
        "activeDeadlineSeconds": number(),
        "backoffLimit": _LIMITED,
        "completionMode": text,
        "completions": _LIMITED,
        "parallelism": _LIMITED,
        "template": _TEMPLATE,
        "ttlSecondsAfterFinished": number(),
    }
)
_JOB_SPEC = with_required(_JOB, "template")
_CRON_JOB = {
    "concurrencyPolicy": text,
    "failedJobsHistoryLimit": _LIMITED,
    "jobTemplate": with_required(
        mapping({"metadata": _TEMPLATE_METADATA, "spec": with_required(_JOB, "template")}), "spec"
    ),
    "schedule": text,
    "startingDeadlineSeconds": number(),
    "successfulJobsHistoryLimit": _LIMITED,
    "suspend": flag,
    "timeZone": text,
}
_SERVICE_PORT = mapping(
    {"appProtocol": text, "name": text, "port": number(), "protocol": text, "targetPort": text_or_number}
)
_SERVICE = {
    "clusterIP": _cluster_ip,
    "ipFamilies": texts,
    "ipFamilyPolicy": text,
    "ports": list_of(with_required(_SERVICE_PORT, "port")),
    "publishNotReadyAddresses": flag,
    "selector": _selector,
    "sessionAffinity": text,
    "sessionAffinityConfig": mapping({"clientIP": mapping({"timeoutSeconds": number()})}),
    "type": _service_type,
}
_METRIC_TARGET = mapping(
    {"averageUtilization": number(), "averageValue": text_or_number, "type": text, "value": text_or_number}
)
_POD_METRIC = mapping({"name": text, "selector": _LABEL_SELECTOR})
_METRIC = mapping(
    {
        "containerResource": mapping({"container": text, "name": text, "target": _METRIC_TARGET}),
        "pods": mapping({"metric": _POD_METRIC, "target": _METRIC_TARGET}),
        "resource": mapping({"name": text, "target": _METRIC_TARGET}),
        "type": choice("ContainerResource", "Pods", "Resource"),
    }
)
_AUTOSCALER = {
    "behavior": anything,
    "maxReplicas": _LIMITED,
    "metrics": list_of(_METRIC),
    "minReplicas": _LIMITED,
    "scaleTargetRef": mapping({"apiVersion": text, "kind": text, "name": text}),
}
_CONTENT = {"data": text_map, "immutable": flag}


def _object(spec: Mapping[str, FieldCheck], *required: str) -> FieldCheck:
    """An object with a spec of these fields."""
    return _fields({"spec": with_required(mapping(spec), *required), "status": anything}, "spec")


def _fields(fields: Mapping[str, FieldCheck], *required: str) -> FieldCheck:
    """``metadata`` is checked for all kinds alike."""
    return with_required(mapping({"apiVersion": text, "kind": text, "metadata": anything, **fields}), *required)


ALLOWED_KINDS: Mapping[str, tuple[str, FieldCheck]] = {
    "ConfigMap": ("v1", _fields({**_CONTENT, "binaryData": text_map})),
    "CronJob": ("batch/v1", _object(_CRON_JOB, "jobTemplate")),
    "Deployment": ("apps/v1", _object(_DEPLOYMENT, "template")),
    "HorizontalPodAutoscaler": ("autoscaling/v2", _object(_AUTOSCALER)),
    "Job": ("batch/v1", _fields({"spec": _JOB_SPEC, "status": anything}, "spec")),
    "PersistentVolumeClaim": ("v1", _fields({"spec": _CLAIM, "status": anything}, "spec")),
    "Secret": ("v1", _fields({**_CONTENT, "stringData": text_map, "type": _secret_type})),
    "Service": ("v1", _object(_SERVICE, "selector")),
    "StatefulSet": ("apps/v1", _object(_STATEFUL_SET, "template")),
}

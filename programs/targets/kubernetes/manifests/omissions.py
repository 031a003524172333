"""What previews leave out of manifests as they are published, each with a notice for the author.

Only what changes nothing inside the namespace is left out: where pods run, how the outside reaches them, who they are
to the cluster. Anything else that isn't allowed is refused (``allowlist``), which judges what remains.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.manifests import wording
from programs.targets.kubernetes.manifests.allowlist import ANNOTATION_PREFIXES
from programs.targets.kubernetes.manifests.manifest_reader import Manifest

MAX_NOTICES = 30
MAX_LISTED = 5
ROUTE_KINDS = ("HTTPRoute", "Ingress")
"""They only say which service is public: the server sets host, class and certificate."""
_SILENT = ("PodDisruptionBudget",)
"""It would block the drain of a node for as long as the preview has too few ready pods, and a preview may be
interrupted anyway."""
_KINDS: Mapping[str, str] = {
    "ServiceAccount": wording.omissions.NO_TOKEN,
    "ServiceMonitor": wording.omissions.NOT_MONITORED,
    "PodMonitor": wording.omissions.NOT_MONITORED,
}
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "HTTPRoute": ("gateway.networking.k8s.io/",),
    "Ingress": ("networking.k8s.io/", "extensions/"),
    "PodDisruptionBudget": ("policy/",),
    "ServiceAccount": ("v1",),
    "ServiceMonitor": ("monitoring.coreos.com/",),
    "PodMonitor": ("monitoring.coreos.com/",),
}
_HOOKS = ("helm.sh/hook", "argocd.argoproj.io/hook")
_POD_FIELDS = ("affinity", "nodeSelector", "priorityClassName", "tolerations", "topologySpreadConstraints")
_EXTERNAL_TYPES = ("LoadBalancer", "NodePort")
_EXTERNAL_FIELDS = (
    "allocateLoadBalancerNodePorts",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
)
_TRAFFIC_FIELDS = ("internalTrafficPolicy", "trafficDistribution")


@dataclass(frozen=True, slots=True)
class PreviewManifests:
    """``objects`` may be applied once they are checked. ``routes`` say which service is public."""

    objects: tuple[Manifest, ...]
    routes: tuple[Manifest, ...]
    notices: tuple[str, ...]


def omit(manifests: Iterable[Manifest]) -> PreviewManifests:
    objects, routes, notices = [], [], []
    for manifest in manifests:
        if _is_kind(manifest, ROUTE_KINDS):
            routes.append(manifest)
        elif not _is_kind(manifest, _SILENT):
            why = _reason_to_omit(manifest)
            found = [why] if why else []
            if not why:
                data = copy.deepcopy(manifest.data)
                found = list(_omit_fields(data))
                objects.append(replace(manifest, data=data) if found else manifest)
            notices += [manifest.error(sentence).sentence for sentence in found]
    more = [wording.omissions.more_notices(len(notices) - MAX_NOTICES)] if len(notices) > MAX_NOTICES else []
    return PreviewManifests(tuple(objects), tuple(routes), (*notices[:MAX_NOTICES], *more))


def _is_kind(manifest: Manifest, kinds: Iterable[str]) -> bool:
    kind, version = manifest.data["kind"], str(manifest.data["apiVersion"])
    return kind in kinds and version.startswith(_GROUPS[kind])


def _reason_to_omit(manifest: Manifest) -> str:
    """Why the whole object isn't applied; empty if it is."""
    kind, version = manifest.data["kind"], str(manifest.data["apiVersion"])
    if _is_kind(manifest, _KINDS):
        return wording.omissions.not_applied(_KINDS[kind])
    if kind == "HorizontalPodAutoscaler" and version in ("autoscaling/v1", "autoscaling/v2beta2"):
        return wording.omissions.not_applied(wording.omissions.outdated(version))
    annotations = manifest.data["metadata"].get("annotations")
    hook = next((key for key in _HOOKS if isinstance(annotations, dict) and key in annotations), "")
    if hook and kind == "Job":
        return wording.omissions.hook_not_run(hook)
    return ""


def _omit_fields(data: dict[str, Any]) -> Iterator[str]:
    """Changes ``data``."""
    removed = [key for metadata in _metadata(data) for key in _omit_annotations(metadata)]
    if removed:
        yield wording.omissions.annotations_omitted(listed(removed))
    pod = _at(data, _POD_PATHS.get(data["kind"], ()))
    fields = [key for key in _POD_FIELDS if pod and pod.pop(key, None) is not None]
    if fields:
        yield wording.omissions.placement_omitted(listed(fields))
    spec = data.get("spec")
    if data["kind"] == "Service" and isinstance(spec, dict):
        yield from _omit_service_fields(spec)


_POD_PATHS: Mapping[str, tuple[str, ...]] = {
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(("Deployment", "Job", "StatefulSet"), ("spec", "template", "spec")),
}


def _metadata(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The metadata of the object and of the templates in it."""
    paths: list[tuple[str, ...]] = [("metadata",)]
    pod = _POD_PATHS.get(data["kind"], ())
    paths += [(*pod[:depth], "metadata") for depth in range(2, len(pod)) if pod]
    for path in paths:
        found = _at(data, path)
        if found:
            yield found
    spec = data.get("spec")
    claims = spec.get("volumeClaimTemplates") if isinstance(spec, dict) else None
    for claim in claims if isinstance(claims, list) else ():
        if isinstance(claim, dict) and isinstance(claim.get("metadata"), dict):
            yield claim["metadata"]


def _omit_annotations(metadata: dict[str, Any]) -> list[str]:
    """Those that other controllers of the cluster might read. Eph's own stay, and are refused."""
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict):
        return []
    removed = [key for key in annotations if not key.startswith(ANNOTATION_PREFIXES) and not _is_reserved(key)]
    for key in removed:
        del annotations[key]
    if removed and not annotations:
        del metadata["annotations"]
    return removed


def _is_reserved(key: str) -> bool:
    return f"{object_names.DOMAIN}/" in key


def _omit_service_fields(spec: dict[str, Any]) -> Iterator[str]:
    kind = spec.get("type")
    if kind in _EXTERNAL_TYPES:
        spec["type"] = "ClusterIP"
        for key in _EXTERNAL_FIELDS:
            spec.pop(key, None)
        for port in spec["ports"] if isinstance(spec.get("ports"), list) else ():
            if isinstance(port, dict):
                port.pop("nodePort", None)
        yield wording.omissions.becomes_cluster_ip(kind)
    removed = [key for key in _TRAFFIC_FIELDS if spec.pop(key, None) is not None]
    if removed:
        yield wording.omissions.omitted(listed(removed))


def _at(data: Any, path: tuple[str, ...]) -> dict[str, Any]:
    """The mapping at a path; empty if there is none."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data if path and isinstance(data, dict) else {}


def listed(keys: list[str]) -> str:
    """The first of them, each once, in words."""
    unique = list(dict.fromkeys(key[:60] for key in keys))
    return wording.omissions.listed(unique[:MAX_LISTED], len(unique) - MAX_LISTED)

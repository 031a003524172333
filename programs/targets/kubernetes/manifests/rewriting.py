"""Adapts allowed objects: pins images, sets our service account and nodes, hardens pods, and finds the public
service."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from programs.image_references import InvalidReference, is_allowed, parse
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.manifests import wording
from programs.targets.kubernetes.manifests.listed_images import ListedImages, SeveralImagesMatch
from programs.targets.kubernetes.manifests.manifest_reader import Manifest
from programs.targets.kubernetes.refusals import Refusals
from programs.targets.kubernetes.rendering import workloads
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.settings import KubernetesSettings, split_list

_WORKLOADS = ("CronJob", "Deployment", "Job", "StatefulSet")
_SERVER_FIELDS = (
    "affinity",
    "automountServiceAccountToken",
    "imagePullSecrets",
    "nodeSelector",
    "serviceAccountName",
    "tolerations",
)


def adapt(
    manifest: Manifest,
    settings: KubernetesSettings,
    images: ListedImages,
    annotations: Mapping[str, str] | None = None,
) -> Data:
    """A copy with everything that we set. ``annotations``: added to its pods. Raises with every image and claim that
    isn't allowed."""
    data, refusals = copy.deepcopy(manifest.data), Refusals()
    data["metadata"] = {key: value for key, value in data["metadata"].items() if key != "namespace"}
    data.pop("status", None)
    pod = find_pod_spec(data)
    if pod is not None:
        _harden_pod(pod, settings)
        _set_pod_metadata(data, annotations or {})
        for container in containers(data):
            with refusals.collect():
                _adapt_container(manifest, container, images, settings)
        workloads.check_pull_access(settings, pod)
    for claim in _claim_specs(data):
        claim["storageClassName"] = settings.storage_class
        if not settings.storage_class:
            refusals.add(manifest.error(wording.images.NO_STORAGE_CLASS))
    refusals.check()
    return data


def containers(data: Data) -> list[Data]:
    """The containers of the object's pods; none if it has no pods."""
    pod = find_pod_spec(data)
    return [*(pod.get("initContainers") or []), *pod["containers"]] if pod is not None else []


def image_names(data: Data) -> Iterator[str]:
    """The images of its containers, as written. It may be of an unexpected shape."""
    if data["kind"] in _WORKLOADS:
        yield from _image_names(data.get("spec"))


def _image_names(value: Any) -> Iterator[str]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        yield from _image_names(item)
    if isinstance(value, dict) and isinstance(value.get("image"), str):
        yield value["image"]


def find_pod_spec(data: Data) -> Data | None:
    spec = data.get("spec") or {}
    if data["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if data["kind"] not in _WORKLOADS:
        return None
    found: Data = spec["template"]["spec"]
    return found


def _set_pod_metadata(data: Data, annotations: Mapping[str, str]) -> None:
    """The label finds the logs of a service; ``annotations`` replace the pods when a secret changes."""
    spec = data["spec"]["jobTemplate"]["spec"] if data["kind"] == "CronJob" else data["spec"]
    metadata = spec["template"].get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), object_names.SERVICE: data["metadata"]["name"]}
    annotated = {"annotations": {**(metadata.get("annotations") or {}), **annotations}} if annotations else {}
    spec["template"]["metadata"] = {**metadata, "labels": labels, **annotated}


def _claim_specs(data: Data) -> list[Data]:
    spec = data.get("spec") or {}
    if data["kind"] == "PersistentVolumeClaim":
        return [spec]
    return [item["spec"] for item in spec.get("volumeClaimTemplates") or []]


def _harden_pod(pod: Data, settings: KubernetesSettings) -> None:
    ours = workloads.pod_spec(settings, pod["containers"])
    for key in _SERVER_FIELDS:
        pod.pop(key, None)
        if key in ours:
            pod[key] = ours[key]
    pod["securityContext"] = {**pod.get("securityContext", {}), **ours["securityContext"]}


def _adapt_container(manifest: Manifest, container: Data, images: ListedImages, settings: KubernetesSettings) -> None:
    given = container.get("securityContext") or {}
    container["securityContext"] = {**given, **workloads.container_security()}
    container["image"] = _resolve_image(manifest, container["image"], images, settings)


def set_variables(data: Data, variables: Sequence[Data]) -> Data:
    """Eph's variables and those of eph.yaml override the manifest's, which was written for another cluster. They come
    first, so that the manifest's variables can refer to them."""
    taken = {item["name"] for item in variables}
    for container in containers(data):
        own = [item for item in container.get("env") or [] if item.get("name") not in taken]
        container["env"] = [*copy.deepcopy(list(variables)), *own]
    return data


def overridden_variables(data: Data, variables: Sequence[Data]) -> list[str]:
    """The names of those that ``set_variables`` gives another value."""
    given = {item["name"]: item for item in variables}
    own = [item for container in containers(data) for item in container.get("env") or []]
    return list(dict.fromkeys(item["name"] for item in own if item != given.get(item.get("name"), item)))


def _resolve_image(manifest: Manifest, text: str, images: ListedImages, settings: KubernetesSettings) -> str:
    """An image listed in eph.yaml is replaced by the pinned reference. Any other must be allowed."""
    try:
        pinned = images.find(text)
        reference = parse(text)
    except InvalidReference as error:
        raise manifest.error(str(error)) from error
    except SeveralImagesMatch as error:
        raise manifest.error(wording.images.several_match(text, error.names)) from error
    if pinned:
        return pinned
    if not is_allowed(split_list(settings.registries), reference):
        raise manifest.error(wording.images.not_allowed(text, settings.registries))
    return str(reference)


def is_selected(data: Data, selector: Mapping[str, str]) -> bool:
    """Whether a service with this selector leads to the object's pods."""
    if data["kind"] not in ("Deployment", "StatefulSet"):
        return False
    labels = (data["spec"]["template"].get("metadata") or {}).get("labels") or {}
    return selector.items() <= labels.items()


def label_front_pods(data: Data, selector: Mapping[str, str]) -> Data:
    """Gives the pods behind the front the label that admits the ingress controller."""
    if is_selected(data, selector):
        metadata = data["spec"]["template"]["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), object_names.PUBLIC: "true"}
    return data

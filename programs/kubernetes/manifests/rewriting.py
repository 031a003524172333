"""Judged objects made to fit: pinned images, our account and nodes, shut in, and the service that people reach."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from programs.images import NoReference, allowed, parse
from programs.kubernetes import names, workloads
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.manifests.reading import Found
from programs.kubernetes.objects import Data
from programs.kubernetes.settings import Settings, words

_OURS = (
    "affinity",
    "automountServiceAccountToken",
    "imagePullSecrets",
    "nodeSelector",
    "serviceAccountName",
    "tolerations",
)
_WEB = ("web", "frontend", "app", "www")


@dataclass(frozen=True, slots=True)
class Front:
    """The service that people reach, and the labels of the pods behind it. ``headless``: its name leads to the pods
    themselves, so that its ports mean nothing to who asks by name."""

    service: str
    port: int
    selector: Mapping[str, str]
    target: int | str
    headless: bool = False

    def reached(self, made: Iterable[Data], on: Settings) -> tuple[str, int]:
        """The service, and where who stands in front finds it: an ingress controller looks its pods up itself."""
        ports = self.pod_ports(made) if self.headless and on.front == "eph" else ()
        return self.service, ports[0] if ports else self.port

    def pod_ports(self, made: Iterable[Data]) -> tuple[int, ...]:
        """Where those pods listen: a service may name its port by a word."""
        if isinstance(self.target, int):
            return (self.target,)
        found = {
            int(port["containerPort"])
            for data in made
            for container in (_pod_of(data) or {}).get("containers", [])
            for port in container.get("ports") or []
            if port.get("name") == self.target
        }
        return tuple(sorted(found))


def fit(found: Found, on: Settings, images: Mapping[str, str], notes: Mapping[str, str] | None = None) -> Data:
    """A copy with what is ours to say. ``images``: pinned references by the name that eph.yaml gives them. ``notes``:
    annotations of its pods."""
    data = copy.deepcopy(found.data)
    data["metadata"] = {key: value for key, value in data["metadata"].items() if key != "namespace"}
    data.pop("status", None)
    pod = _pod_of(data)
    if pod is not None:
        _shut_in(pod, on)
        _named(data, notes or {})
        for container in [*(pod.get("initContainers") or []), *pod["containers"]]:
            _fit_container(found, container, images, on)
    for claim in _claims_of(data):
        claim["storageClassName"] = on.storage_class
        if not on.storage_class:
            raise found.refused("it asks for storage, and this server has none (setting storage_class); use emptyDir")
    return data


def _pod_of(data: Data) -> Data | None:
    spec = data.get("spec") or {}
    if data["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if data["kind"] not in ("CronJob", "Deployment", "Job", "StatefulSet"):
        return None
    template: Data = spec["template"]
    return template["spec"]  # type: ignore[no-any-return]  # judged before


def _named(data: Data, notes: Mapping[str, str]) -> None:
    """Logs are found by the service that a pod belongs to; ``notes`` make new pods of another secret value."""
    spec = data["spec"]["jobTemplate"]["spec"] if data["kind"] == "CronJob" else data["spec"]
    metadata = spec["template"].get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), names.SERVICE: data["metadata"]["name"]}
    annotated = {"annotations": {**(metadata.get("annotations") or {}), **notes}} if notes else {}
    spec["template"]["metadata"] = {**metadata, "labels": labels, **annotated}


def _claims_of(data: Data) -> list[Data]:
    spec = data.get("spec") or {}
    if data["kind"] == "PersistentVolumeClaim":
        return [spec]
    return [item["spec"] for item in spec.get("volumeClaimTemplates") or []]


def _shut_in(pod: Data, on: Settings) -> None:
    ours = workloads.pod(on, pod["containers"])
    for key in _OURS:
        pod.pop(key, None)
        if key in ours:
            pod[key] = ours[key]
    pod["securityContext"] = {**ours["securityContext"], **(pod.get("securityContext") or {})}


def _fit_container(found: Found, container: Data, images: Mapping[str, str], on: Settings) -> None:
    given = container.get("securityContext") or {}
    container["securityContext"] = {**given, **workloads.shut_in()}
    container["image"] = _image(found, container["image"], images, on)


def give(data: Data, variables: Sequence[Data]) -> Data:
    """What eph.yaml and Eph say counts more than the manifest, which was written for another place; it stands first, so
    that the manifest's own variables may refer to it."""
    pod = _pod_of(data)
    if pod is None:
        return data
    taken = {item["name"] for item in variables}
    for container in [*(pod.get("initContainers") or []), *pod["containers"]]:
        own = [item for item in container.get("env") or [] if item.get("name") not in taken]
        container["env"] = [*copy.deepcopy(list(variables)), *own]
    return data


def _image(found: Found, text: str, images: Mapping[str, str], on: Settings) -> str:
    """One that eph.yaml lists, by its name or its repository, is the pinned one; another must be one that may be."""
    if text in images:
        return images[text]
    try:
        reference = parse(text)
    except NoReference as error:
        raise found.refused(str(error)) from error
    for pinned in images.values():
        if parse(pinned).name == reference.name:
            return pinned
    if not allowed(words(on.registries), reference):
        raise found.refused(f"image {text}: this server takes images from {on.registries} only")
    return str(reference)


def front(found: Sequence[Found], project: str) -> Front | None:
    """What people reach: what an Ingress leads to, else the only service, else the one that is called for it."""
    services = {item.name: item for item in found if item.data["kind"] == "Service"}
    for item in found:
        if item.data["kind"] == "Ingress":
            return _behind(item, services)
    usable = {name: item for name, item in services.items() if item.data["spec"].get("clusterIP") != "None"}
    for name in (project, *_WEB):
        if name in usable:
            return _front(usable[name], None)
    if len(usable) == 1:
        return _front(next(iter(usable.values())), None)
    if not usable:
        return None
    raise KubernetesError(
        f"which service do people reach: {', '.join(sorted(usable))}? Add an Ingress that says it, or name it {project}"
    )


def _behind(item: Found, services: Mapping[str, Found]) -> Front:
    try:
        backend = item.data["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        name, port = backend["name"], backend["port"]
    except (KeyError, IndexError, TypeError):
        raise item.refused("it has no rule with a path that leads to a service") from None
    if name not in services:
        raise item.refused(f"it leads to a service {name!r} that is not among the manifests")
    return _front(services[name], port.get("number") or port.get("name"))


def _front(service: Found, wanted: int | str | None) -> Front:
    spec: Mapping[str, Any] = service.data["spec"]
    for port in spec.get("ports") or []:
        if wanted is None or wanted in (port.get("port"), port.get("name")):
            target, headless = port.get("targetPort", port["port"]), spec.get("clusterIP") == "None"
            return Front(service.name, int(port["port"]), dict(spec["selector"]), target, headless)
    raise service.refused(f"it has no port {wanted if wanted is not None else 'at all'}")


def open_to_front(data: Data, selector: Mapping[str, str]) -> Data:
    """The pods behind the front get the label by which the ingress controller may reach them."""
    if data["kind"] not in ("Deployment", "StatefulSet"):
        return data
    metadata = data["spec"]["template"]["metadata"]
    labels = metadata.get("labels") or {}
    if selector.items() <= labels.items():
        metadata["labels"] = {**labels, names.PUBLIC: "true"}
    return data

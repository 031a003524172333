"""The repository's own manifests: read, checked, and adapted to one environment.

Everything in them was written by the author of the pull request, so nothing is passed on because it looks harmless.
``omissions`` leaves out what is harmless and useless in a preview, with a notice. ``allowlist`` defines which kinds and
fields are allowed and rejects the rest by file, object and field. Everything that
decides where an object lives and whose it is, is set by us (``rewriting``). Kustomizations are built by kustomize and
charts are rendered by helm, both in a sandbox (``renderer``), and the output is treated like a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from programs.spec import EnvironmentSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import KubernetesError, ManifestsRejected, RendererUnavailable
from programs.targets.kubernetes.manifests import allowlist, omissions, path_reader, rewriting, wording
from programs.targets.kubernetes.manifests.listed_images import ListedImages
from programs.targets.kubernetes.manifests.manifest_reader import ChartRelease, Manifest
from programs.targets.kubernetes.manifests.public_services import FrontNames, RoutedServices, find_public
from programs.targets.kubernetes.rendering.namespace_objects import Data, PathBackend
from programs.targets.kubernetes.settings import KubernetesSettings

MAX_OBJECTS = 100
MAX_HOST_LABEL = 63


@dataclass(frozen=True, slots=True)
class LoadedManifests:
    """``backends``: the service and port that each host name routes to, by the service's short name, if no service of
    eph.yaml is public; the environment's own host name comes first. ``paths``: what answers some of a host name's
    paths instead. ``public_ports``: the ports of their pods that the ingress controller or gateway can reach."""

    objects: tuple[Data, ...] = ()
    backends: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    paths: Mapping[str, tuple[PathBackend, ...]] = field(default_factory=dict)
    public_ports: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()
    """What was left out, with file and object."""


def load_manifests(
    files: CommitFiles, spec: EnvironmentSpec, settings: KubernetesSettings, images: Mapping[str, str]
) -> LoadedManifests:
    """The manifests' objects to apply. Raises ``ManifestsRejected`` with everything that isn't allowed."""
    if not spec.manifests:
        return LoadedManifests()
    try:
        return _load(files, spec, settings, images)
    except (ManifestsRejected, RendererUnavailable):
        raise
    except KubernetesError as error:
        raise ManifestsRejected(error.sentence, error.tail) from error


def _load(
    files: CommitFiles, spec: EnvironmentSpec, settings: KubernetesSettings, images: Mapping[str, str]
) -> LoadedManifests:
    release = ChartRelease(spec.name, spec.values, spec.values_files, settings.helm)
    read = (item for path in spec.manifests for item in path_reader.read(files, path, release, settings.kustomize))
    found = [replace(item, data=_without_nulls(item.data)) for item in read]
    if len(found) > MAX_OBJECTS:
        raise KubernetesError(wording.reading.too_many_objects(len(found), MAX_OBJECTS))
    brought = omissions.omit(_last_definitions(found))
    found = list(brought.objects)
    allowlist.check_manifests(found, spec.name)
    _check_name_clashes(found, spec)
    declared = any(item.public for item in spec.services)
    names = FrontNames(spec.project, spec.name, tuple(spec.options.get("public", ())))
    public = RoutedServices() if declared else find_public(found, brought.routes, names)
    public = _with_host_names(public, spec, named=bool(names.public))
    notes = object_names.secrets_annotation(spec)
    listed = ListedImages(images, spec.replaced_images)
    adapted = [rewriting.adapt(item, settings, listed, notes) for item in found]
    own = [images[item.image] for item in spec.services if item.image in images]
    listed.check_all_run([*own, *(container["image"] for data in adapted for container in rewriting.containers(data))])
    reached = [item for one in public.services for item in (one, *(path.target for path in one.paths))]
    for service in reached:
        adapted = [rewriting.label_front_pods(data, service.selector) for data in adapted]
    backends = {service.name: service.backend(adapted, settings) for service in public.services}
    paths = {
        service.name: tuple(
            PathBackend(item.path, item.exact, item.target.backend(adapted, settings)) for item in service.paths
        )
        for service in public.services
        if service.paths
    }
    ports = sorted({port for service in reached for port in service.pod_ports(adapted)})
    return LoadedManifests(tuple(adapted), backends, paths, tuple(ports), (*brought.notices, *public.notices))


def _with_host_names(public: RoutedServices, spec: EnvironmentSpec, named: bool) -> RoutedServices:
    """Leaves out services whose host name would be too long, unless eph.yaml names them."""
    kept, notices = list(public.services[:1]), list(public.notices)
    for service in public.services[1:]:
        label = object_names.service_host(spec, service.name, kept[0].name).partition(".")[0]
        if len(label) <= MAX_HOST_LABEL:
            kept.append(service)
            continue
        why = wording.services.host_name_too_long(service.name, label, MAX_HOST_LABEL)
        if named:
            raise KubernetesError(wording.services.use_shorter_name(why))
        notices.append(wording.services.not_public(why))
    return RoutedServices(tuple(kept), tuple(notices))


def _without_nulls(value: Any) -> Any:
    """To Kubernetes, a field that is null is missing. Nothing after this has to know: a null that overrode a field of
    ours would otherwise remove it."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _last_definitions(manifests: list[Manifest]) -> list[Manifest]:
    """A later path can redefine an object, as an overlay does. The last definition wins, as with `kubectl apply`."""
    last = {(item.data["kind"], item.name): item for item in manifests}
    return list(last.values())


def _check_name_clashes(manifests: list[Manifest], spec: EnvironmentSpec) -> None:
    taken = {item.name for item in spec.services}
    for item in manifests:
        if item.data["kind"] in ("Deployment", "Service", "CronJob") and item.name in taken:
            raise item.error(wording.reading.SAME_NAME_AS_SERVICE)

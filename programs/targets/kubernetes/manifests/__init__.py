"""The repository's own manifests: read, checked, and adapted to one environment.

Everything in them was written by the author of the pull request, so nothing is passed on because it looks harmless.
``omissions`` leaves out what is harmless and useless in a preview, with a notice. ``allowlist`` defines which kinds and
fields are allowed and rejects the rest by file, object and field. Everything that
decides where an object lives and whose it is, is set by us (``rewriting``). Kustomizations are built by kustomize and
charts are rendered by helm, both in a sandbox (``renderer``), and the output is treated like a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from programs.spec import EnvironmentSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import (
    CommitRejected,
    KubernetesError,
    ManifestsTooLarge,
    RendererUnavailable,
)
from programs.targets.kubernetes.manifests import allowlist, omissions, path_reader, rewriting, wording
from programs.targets.kubernetes.manifests.listed_images import ListedImages
from programs.targets.kubernetes.manifests.manifest_reader import ChartRelease, Manifest, ReadManifests
from programs.targets.kubernetes.manifests.public_services import FrontNames, RoutedServices, find_public
from programs.targets.kubernetes.program.environment import KubernetesEnvironment, PreparedInputs, images_of_eph_yaml
from programs.targets.kubernetes.refusals import Refusals
from programs.targets.kubernetes.rendering.namespace_objects import Data, PathBackend
from programs.targets.kubernetes.settings import KubernetesSettings

MAX_OBJECTS = 100
MAX_HOST_LABEL = 63


@dataclass(frozen=True, slots=True)
class LoadedManifests:
    """``backends``: the service and port that each host name routes to, by the service's short name, if no service of
    eph.yaml is public; the environment's own host name comes first. ``paths``: what answers some of a host name's
    paths instead. ``health``: the path of their health checks, if it is known. ``public_ports``: the ports of their
    pods that the ingress controller or gateway can reach."""

    objects: tuple[Data, ...] = ()
    backends: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    paths: Mapping[str, tuple[PathBackend, ...]] = field(default_factory=dict)
    health: Mapping[str, str] = field(default_factory=dict)
    public_ports: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()
    """What was left out, with file and object."""


def load_manifests(
    files: CommitFiles, spec: EnvironmentSpec, settings: KubernetesSettings, images: Mapping[str, str]
) -> LoadedManifests:
    """The manifests' objects to apply. Raises ``CommitRejected`` with everything that isn't allowed."""
    if not spec.manifests:
        return LoadedManifests()
    try:
        return _load(_check(files, spec, settings, images), spec, settings, images)
    except (CommitRejected, RendererUnavailable):
        raise
    except KubernetesError as error:
        raise CommitRejected(error.sentence, error.tail) from error


@dataclass(frozen=True, slots=True)
class _CheckedManifests:
    """Nothing is wrong with them. ``adapted``: the objects as they are applied."""

    objects: tuple[Manifest, ...]
    adapted: tuple[Data, ...]
    public: RoutedServices
    notices: tuple[str, ...]


def _check(
    files: CommitFiles, spec: EnvironmentSpec, settings: KubernetesSettings, images: Mapping[str, str]
) -> _CheckedManifests:
    """What depends on several objects is only checked if they all could be read: it would complain about the others."""
    refusals = Refusals()
    read = _read(files, spec, settings, refusals)
    is_complete = not refusals
    brought = omissions.omit(_last_definitions(read.objects))
    refused = {index: allowlist.refusals(item, spec.name) for index, item in enumerate(brought.objects)}
    allowed = [item for index, item in enumerate(brought.objects) if not refused[index]]
    refusals.add(*(error for errors in refused.values() for error in errors))
    refusals.add(*_name_clashes(brought.objects, spec))
    public = RoutedServices()
    if is_complete and len(_services(allowed)) == len(_services(brought.objects)):
        with refusals.collect():
            public = _public_services(allowed, brought.routes, spec)
    listed = ListedImages(images, spec.replaced_images)
    notes = object_names.secrets_annotation(spec)
    adapted = []
    for item in allowed:
        with refusals.collect():
            adapted.append(rewriting.adapt(item, settings, listed, notes))
    if is_complete:
        with refusals.collect():
            texts = (text for item in brought.objects for text in rewriting.image_names(item.data))
            listed.check_all_run(texts, {*images_of_eph_yaml(spec, images), *spec.optional_images})
    refusals.check()
    return _CheckedManifests(tuple(allowed), tuple(adapted), public, (*read.notices, *brought.notices, *public.notices))


def _read(files: CommitFiles, spec: EnvironmentSpec, settings: KubernetesSettings, refusals: Refusals) -> ReadManifests:
    release = ChartRelease(spec.name, spec.values, spec.values_files, settings.helm)
    found: list[Manifest] = []
    notices: list[str] = []
    for path in spec.manifests:
        with refusals.collect():
            read = path_reader.read(files, path, release, settings.kustomize)
            found += read.objects
            notices += read.notices
    if len(found) > MAX_OBJECTS:
        refusals.check()
        raise ManifestsTooLarge(wording.reading.too_many_objects(len(found), MAX_OBJECTS))
    return ReadManifests(tuple(replace(item, data=_without_nulls(item.data)) for item in found), tuple(notices))


def _load(
    checked: _CheckedManifests, spec: EnvironmentSpec, settings: KubernetesSettings, images: Mapping[str, str]
) -> LoadedManifests:
    adapted, public = checked.adapted, checked.public
    reached = [item for one in public.services for item in (one, *(path.target for path in one.paths))]
    for service in reached:
        adapted = tuple(rewriting.label_front_pods(data, service.selector) for data in adapted)
    backends = {service.name: service.backend(adapted, settings) for service in public.services}
    paths = {
        service.name: tuple(
            PathBackend(item.path, item.exact, item.target.backend(adapted, settings)) for item in service.paths
        )
        for service in public.services
        if service.paths
    }
    given = spec.options.get("health", {})
    health = {service.name: given.get(service.name) or service.probe_path(adapted) for service in public.services}
    ports = sorted({port for service in reached for port in service.pod_ports(adapted)})
    environment = KubernetesEnvironment(spec, settings, PreparedInputs(images, backends=backends), version="")
    overridden = _overridden_variables(checked.objects, environment)
    return LoadedManifests(
        objects=adapted,
        backends=backends,
        paths=paths,
        health={name: path for name, path in health.items() if path},
        public_ports=tuple(ports),
        notices=(*checked.notices, *overridden),
    )


def _overridden_variables(objects: Iterable[Manifest], environment: KubernetesEnvironment) -> Iterator[str]:
    """A notice for each workload whose own values aren't used."""
    given = environment.manifest_variables()
    for manifest in objects:
        names = rewriting.overridden_variables(manifest.data, given)
        if names:
            yield manifest.error(wording.omissions.variables_overridden(omissions.listed(names))).sentence


def _services(manifests: Iterable[Manifest]) -> list[Manifest]:
    return [item for item in manifests if item.data["kind"] == "Service"]


def _public_services(
    manifests: Sequence[Manifest], routes: Sequence[Manifest], spec: EnvironmentSpec
) -> RoutedServices:
    """Those of manifests, if no service of eph.yaml is public."""
    if any(item.public for item in spec.services):
        return RoutedServices()
    names = FrontNames(spec.project, spec.name, tuple(spec.options.get("public", ())))
    return _with_host_names(find_public(manifests, routes, names), spec, named=bool(names.public))


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


def _last_definitions(manifests: Iterable[Manifest]) -> list[Manifest]:
    """A later path can redefine an object, as an overlay does. The last definition wins, as with `kubectl apply`."""
    last = {(item.data["kind"], item.name): item for item in manifests}
    return list(last.values())


def _name_clashes(manifests: Iterable[Manifest], spec: EnvironmentSpec) -> Iterator[KubernetesError]:
    taken = {item.name for item in spec.services}
    for item in manifests:
        if item.data["kind"] in ("Deployment", "Service", "CronJob") and item.name in taken:
            yield item.error(wording.reading.SAME_NAME_AS_SERVICE)

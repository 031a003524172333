"""The repository's own manifests: read, judged, and made to fit into one environment.

Everything in them was written by whoever opened the pull request. So nothing is passed on because it looks harmless:
``judging`` knows which kinds and which fields may be there, and refuses the rest by file, object and field; and what
decides where an object lives and whose it is, is written by us (``rewriting``). Kustomize is read by ourselves
(``kustomize``): no program of the repository's, and nothing of another repository, takes part. Charts are rendered by
helm, shut in (``helm``), and what it prints is read like a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from programs.spec import EnvironmentSpec
from programs.targets.kubernetes.api import object_names
from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import allowlist, path_reader, rewriting
from programs.targets.kubernetes.manifests.manifest_reader import ChartRelease, Manifest
from programs.targets.kubernetes.rendering.namespace_objects import Data
from programs.targets.kubernetes.settings import KubernetesSettings

MAX_OBJECTS = 100


@dataclass(frozen=True, slots=True)
class LoadedManifests:
    """``front_service``: the service and port that the environment's host leads to, when no service of eph.yaml is
    public.
    ``front_ports``: of the pods behind it, which whoever stands in front may reach."""

    objects: tuple[Data, ...] = ()
    front_service: tuple[str, int] | None = None
    front_ports: tuple[int, ...] = ()


def load_manifests(
    files: CommitFiles, spec: EnvironmentSpec, settings: KubernetesSettings, images: Mapping[str, str]
) -> LoadedManifests:
    """What of the manifests is applied; raises with the first thing that may not be."""
    if not spec.manifests:
        return LoadedManifests()
    release = ChartRelease(spec.name, spec.values, spec.values_files, settings.helm)
    found = [item for path in spec.manifests for item in path_reader.read(files, path, release)]
    if len(found) > MAX_OBJECTS:
        raise KubernetesError(f"the manifests hold {len(found)} objects; the most is {MAX_OBJECTS}")
    found = _last_definitions(found)
    for item in found:
        allowlist.check_manifest(item, spec.name)
    _check_name_clashes(found, spec)
    front = None if any(item.public for item in spec.services) else rewriting.find_front(found, spec.project)
    notes = object_names.secrets_annotation(spec)
    made = [rewriting.adapt(item, settings, images, notes) for item in found if item.data["kind"] != "Ingress"]
    if front:
        made = [rewriting.label_front_pods(data, front.selector) for data in made]
        return LoadedManifests(tuple(made), front.backend(made, settings), front.pod_ports(made))
    return LoadedManifests(tuple(made))


def _last_definitions(manifests: list[Manifest]) -> list[Manifest]:
    """A later path may define an object anew, as an overlay does; the last one counts, as with `kubectl apply`."""
    last = {(item.data["kind"], item.name): item for item in manifests}
    return list(last.values())


def _check_name_clashes(manifests: list[Manifest], spec: EnvironmentSpec) -> None:
    taken = {item.name for item in spec.services}
    for item in manifests:
        if item.data["kind"] in ("Deployment", "Service", "CronJob") and item.name in taken:
            raise item.error("eph.yaml has a service of that name, too; rename one of the two")

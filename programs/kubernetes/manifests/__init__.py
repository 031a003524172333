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

from programs.kubernetes import names
from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.manifests import judging, reading, rewriting
from programs.kubernetes.manifests.reading import Found, Release
from programs.kubernetes.objects import Data
from programs.kubernetes.settings import Settings
from programs.kubernetes.sources import Files
from programs.spec import EnvironmentSpec

MOST_OBJECTS = 100


@dataclass(frozen=True, slots=True)
class Brought:
    """``front``: the service and port that the environment's host leads to, when no service of eph.yaml is public.
    ``ports``: of the pods behind it, which whoever stands in front may reach."""

    objects: tuple[Data, ...] = ()
    front: tuple[str, int] | None = None
    ports: tuple[int, ...] = ()


def bring(files: Files, spec: EnvironmentSpec, on: Settings, images: Mapping[str, str]) -> Brought:
    """What of the manifests is applied; raises with the first thing that may not be."""
    if not spec.manifests:
        return Brought()
    release = Release(spec.name, spec.values, spec.values_files, on.helm)
    found = [item for path in spec.manifests for item in reading.read(files, path, release)]
    if len(found) > MOST_OBJECTS:
        raise KubernetesError(f"the manifests hold {len(found)} objects; the most is {MOST_OBJECTS}")
    found = _last_of_each(found)
    for item in found:
        judging.judge(item, spec.name)
    _no_clash(found, spec)
    front = None if any(item.public for item in spec.services) else rewriting.front(found, spec.project)
    notes = names.secrets_note(spec)
    made = [rewriting.fit(item, on, images, notes) for item in found if item.data["kind"] != "Ingress"]
    if front:
        made = [rewriting.open_to_front(data, front.selector) for data in made]
        return Brought(tuple(made), front.reached(made, on), front.pod_ports(made))
    return Brought(tuple(made))


def _last_of_each(found: list[Found]) -> list[Found]:
    """A later path may define an object anew, as an overlay does; the last one counts, as with `kubectl apply`."""
    last = {(item.data["kind"], item.name): item for item in found}
    return list(last.values())


def _no_clash(found: list[Found], spec: EnvironmentSpec) -> None:
    taken = {item.name for item in spec.services}
    for item in found:
        if item.data["kind"] in ("Deployment", "Service", "CronJob") and item.name in taken:
            raise item.refused("eph.yaml has a service of that name, too; rename one of the two")

"""Kustomizations, as far as previews need them: bases and overlays of this very repository, patches, and small edits.

Read by ourselves and not by kustomize: it fetches bases from anywhere and can run programs. What is not known here is
refused by name, never passed over, so that what is applied is what the author meant.
"""

from __future__ import annotations

import copy
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from programs.kubernetes.errors import KubernetesError
from programs.kubernetes.manifests import patching, reading
from programs.kubernetes.manifests.reading import KUSTOMIZATION, Found
from programs.kubernetes.objects import Data
from programs.kubernetes.sources import Files

_DEEPEST = 10
_REMOTE = re.compile(r"^[a-z+]+://|^git@|^[a-z0-9-]+\.[a-z]+/|\?ref=")
_PROGRAMS = ("generators", "transformers", "validators", "helmCharts", "helmChartInflationGenerator", "openapi")


@dataclass(frozen=True, slots=True)
class _Here:
    """The kustomization that is being read."""

    files: Files
    folder: str
    path: str
    depth: int

    def at(self, path: str) -> str:
        """A path as written in it, from the root of the repository."""
        if _REMOTE.search(path):
            raise self.refused(f"{path!r} is not in this repository; copy it here")
        return posixpath.normpath(posixpath.join(self.folder, path))

    def refused(self, why: str) -> KubernetesError:
        return KubernetesError(f"{self.path}: {why}")


def build(files: Files, folder: str, depth: int = 0) -> list[Found]:
    """What `kubectl kustomize` would print for that folder."""
    name = next(item for item in KUSTOMIZATION if item in (files.listing(folder) or ()))
    here = _Here(files, folder, posixpath.normpath(posixpath.join(folder, name)), depth)
    if depth > _DEEPEST:
        raise here.refused(f"more than {_DEEPEST} kustomizations stand on each other; do they stand in a circle?")
    documents = reading.documents(here.path, files.read(here.path))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise here.refused("one mapping was expected")
    data = documents[0]
    for key in data:
        if key in _PROGRAMS:
            raise here.refused(f"{key} would run programs, which Eph does not do; commit what they make")
        if key not in _STEPS and key not in ("apiVersion", "kind", "metadata", "namespace"):
            raise here.refused(f"{key} is not known to Eph; it knows {', '.join(_STEPS)}")
    found: list[Found] = []
    for key, step in _STEPS.items():
        if data.get(key):
            found = step(here, found, data[key])
    return found


def _resources(here: _Here, found: list[Found], paths: Any) -> list[Found]:
    for path in _listed(here, paths, "resources"):
        place = here.at(str(path))
        listed = here.files.listing(place)
        if listed is None:
            found = [*found, *reading.parse(place, here.files.read(place))]
        elif any(name in KUSTOMIZATION for name in listed):
            found = [*found, *build(here.files, place, here.depth + 1)]
        else:
            raise here.refused(f"{path} is a folder without a kustomization")
    return found


def _config_maps(here: _Here, found: list[Found], generators: Any) -> list[Found]:
    return [*found, *(_generated(here, "ConfigMap", "data", item) for item in _listed(here, generators, "it"))]


def _secrets(here: _Here, found: list[Found], generators: Any) -> list[Found]:
    return [*found, *(_generated(here, "Secret", "stringData", item) for item in _listed(here, generators, "it"))]


def _generated(here: _Here, kind: str, field: str, item: Any) -> Found:
    """Without the hash that kustomize adds to the name: pods are made anew by the commit anyway."""
    if not (isinstance(item, dict) and isinstance(item.get("name"), str)):
        raise here.refused(f"a generator of {kind} has no name")
    known = {"name", "literals", "files", "envs", "options", "type", "namespace"}
    if unknown := sorted(item.keys() - known):
        raise here.refused(f"{unknown[0]} is not known to Eph in a generator; it knows {', '.join(sorted(known))}")
    values = dict(_pair(here, text) for text in item.get("literals") or [])
    for path in item.get("envs") or []:
        lines = here.files.read(here.at(path)).splitlines()
        values |= dict(_pair(here, line) for line in lines if line.strip() and not line.startswith("#"))
    for text in item.get("files") or []:
        key, found, path = str(text).rpartition("=")
        values[key if found else posixpath.basename(path)] = here.files.read(here.at(path))
    data: Data = {"apiVersion": "v1", "kind": kind, "metadata": {"name": item["name"]}, field: values}
    return Found(here.path, {**data, **({"type": item["type"]} if "type" in item else {})})


def _pair(here: _Here, text: Any) -> tuple[str, str]:
    key, found, value = str(text).partition("=")
    if not found:
        raise here.refused(f"{text!r} is not key=value")
    return key, value


def _patches(here: _Here, found: list[Found], patches: Any) -> list[Found]:
    for item in _listed(here, patches, "patches"):
        if isinstance(item, str):
            item = {"path": item}
        if unknown := sorted(item.keys() - {"path", "patch", "target", "options"}):
            raise here.refused(f"{unknown[0]} is not known to Eph in a patch")
        place = here.at(item["path"]) if "path" in item else here.path
        text = here.files.read(place) if "path" in item else str(item.get("patch", ""))
        for document in reading.documents(place, text):
            found = _patched(here, found, document, item.get("target"))
    return found


def _patched(here: _Here, found: list[Found], patch: Any, target: Any) -> list[Found]:
    operations = isinstance(patch, list)
    if operations and not target:
        raise here.refused("a list of patch operations needs a target")
    wanted = target or {"kind": patch.get("kind"), "name": (patch.get("metadata") or {}).get("name")}
    if not isinstance(wanted, dict) or wanted.keys() - {"kind", "name", "group", "version"}:
        raise here.refused("a patch's target is known to Eph by group, version, kind and name only")
    hit = [item for item in found if _is(item, wanted)]
    if not hit:
        raise here.refused(f"a patch is for {wanted.get('kind')} {wanted.get('name')}, which is not here")
    made = []
    for item in found:
        if item not in hit:
            made.append(item)
            continue
        try:
            data = patching.operate(item.data, patch) if operations else patching.merge(item.data, patch)
        except patching.BadPatch as error:
            raise here.refused(f"the patch of {item.data['kind']} {item.name}: {error}") from error
        if data is not None:
            made.append(replace(item, data=data))
    return made


def _is(item: Found, target: Mapping[str, Any]) -> bool:
    group, _, version = item.data["apiVersion"].rpartition("/")
    have = {"kind": item.data["kind"], "name": item.name, "group": group, "version": version}
    return all(value is None or re.fullmatch(re.escape(str(value)), have[key]) for key, value in target.items())


def _common_labels(here: _Here, found: list[Found], labels: Any) -> list[Found]:
    return [_labelled(item, _texts(here, labels), selectors=True) for item in found]


def _labels(here: _Here, found: list[Found], groups: Any) -> list[Found]:
    for group in _listed(here, groups, "labels"):
        selectors = bool(group.get("includeSelectors"))
        templates = selectors or bool(group.get("includeTemplates"))
        found = [_labelled(item, _texts(here, group.get("pairs")), selectors, templates) for item in found]
    return found


def _labelled(item: Found, labels: Mapping[str, str], selectors: bool, templates: bool = True) -> Found:
    data = copy.deepcopy(item.data)
    _add(data, ("metadata", "labels"), labels)
    kind = data["kind"]
    if kind in ("Deployment", "StatefulSet"):
        if selectors:
            _add(data, ("spec", "selector", "matchLabels"), labels)
        if templates:
            _add(data, ("spec", "template", "metadata", "labels"), labels)
    elif kind == "Service" and selectors and (data.get("spec") or {}).get("selector"):
        _add(data, ("spec", "selector"), labels)
    elif kind == "CronJob" and templates:
        _add(data, ("spec", "jobTemplate", "spec", "template", "metadata", "labels"), labels)
    elif kind == "Job" and templates:
        _add(data, ("spec", "template", "metadata", "labels"), labels)
    return replace(item, data=data)


def _annotations(here: _Here, found: list[Found], annotations: Any) -> list[Found]:
    made = []
    for item in found:
        data = copy.deepcopy(item.data)
        _add(data, ("metadata", "annotations"), _texts(here, annotations))
        made.append(replace(item, data=data))
    return made


def _images(here: _Here, found: list[Found], images: Any) -> list[Found]:
    """By name: another name, tag or digest. What eph.yaml lists is pinned afterwards, whatever stands here."""
    for image in _listed(here, images, "images"):
        if unknown := sorted(image.keys() - {"name", "newName", "newTag", "digest"}):
            raise here.refused(f"{unknown[0]} is not known to Eph in images")
        made = []
        for item in found:
            data = copy.deepcopy(item.data)
            # The default binds this turn's image; mypy knows no types for a lambda's defaults.
            _each_container(data, lambda container, image=image: _renamed(container, image))  # type: ignore[misc]
            made.append(replace(item, data=data))
        found = made
    return found


def _renamed(container: Data, image: Mapping[str, Any]) -> None:
    text = str(container.get("image", ""))
    name, _, digest = text.partition("@")
    base, _, tag = name.rpartition(":")
    if "/" in tag or not base:
        base, tag = name, ""
    if base != image["name"]:
        return
    base, tag = str(image.get("newName", base)), str(image.get("newTag", tag))
    digest = str(image.get("digest", "" if "newTag" in image else digest))
    container["image"] = f"{base}@{digest}" if digest else f"{base}:{tag}" if tag else base


def _each_container(value: Any, change: Callable[[Data], None]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("containers", "initContainers") and isinstance(item, list):
                for container in item:
                    if isinstance(container, dict):
                        change(container)
            else:
                _each_container(item, change)
    elif isinstance(value, list):
        for item in value:
            _each_container(item, change)


def _replicas(here: _Here, found: list[Found], counts: Any) -> list[Found]:
    wanted = {str(item.get("name")): item.get("count") for item in _listed(here, counts, "replicas")}
    made = []
    for item in found:
        data = copy.deepcopy(item.data)
        if item.data["kind"] in ("Deployment", "StatefulSet") and item.name in wanted:
            data.setdefault("spec", {})["replicas"] = wanted[item.name]
        made.append(replace(item, data=data))
    return made


def _add(data: Data, path: tuple[str, ...], values: Mapping[str, str]) -> None:
    for key in path:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    data.update(values)


def _listed(here: _Here, value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise here.refused(f"{what}: a list was expected")
    return value


def _texts(here: _Here, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise here.refused("labels and annotations are text; put numbers in quotes")
    return value


_STEPS: Mapping[str, Callable[[_Here, list[Found], Any], list[Found]]] = {
    "bases": _resources,
    "resources": _resources,
    "configMapGenerator": _config_maps,
    "secretGenerator": _secrets,
    "patchesStrategicMerge": _patches,
    "patchesJson6902": _patches,
    "patches": _patches,
    "commonLabels": _common_labels,
    "labels": _labels,
    "commonAnnotations": _annotations,
    "images": _images,
    "replicas": _replicas,
}

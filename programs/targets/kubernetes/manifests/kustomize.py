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

from programs.targets.kubernetes.commit_files import CommitFiles
from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import manifest_reader, patching
from programs.targets.kubernetes.manifests.manifest_reader import KUSTOMIZATION, Manifest
from programs.targets.kubernetes.rendering.namespace_objects import Data

_MAX_DEPTH = 10
_REMOTE = re.compile(r"^[a-z+]+://|^git@|^[a-z0-9-]+\.[a-z]+/|\?ref=")
_FORBIDDEN_KEYS = ("generators", "transformers", "validators", "helmCharts", "helmChartInflationGenerator", "openapi")


@dataclass(frozen=True, slots=True)
class _Kustomization:
    """The kustomization that is being read."""

    files: CommitFiles
    folder: str
    path: str
    depth: int

    def resolve(self, path: str) -> str:
        """A path as written in it, from the root of the repository."""
        if _REMOTE.search(path):
            raise self.error(f"{path!r} is not in this repository; copy it here")
        return posixpath.normpath(posixpath.join(self.folder, path))

    def error(self, why: str) -> KubernetesError:
        return KubernetesError(f"{self.path}: {why}")


def build(files: CommitFiles, folder: str, depth: int = 0) -> list[Manifest]:
    """What `kubectl kustomize` would print for that folder."""
    name = next(item for item in KUSTOMIZATION if item in (files.list_folder(folder) or ()))
    here = _Kustomization(files, folder, posixpath.normpath(posixpath.join(folder, name)), depth)
    if depth > _MAX_DEPTH:
        raise here.error(f"more than {_MAX_DEPTH} kustomizations stand on each other; do they stand in a circle?")
    documents = manifest_reader.documents(here.path, files.read_text(here.path))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise here.error("one mapping was expected")
    data = documents[0]
    for key in data:
        if key in _FORBIDDEN_KEYS:
            raise here.error(f"{key} would run programs, which Eph does not do; commit what they make")
        if key not in _TRANSFORMERS and key not in ("apiVersion", "kind", "metadata", "namespace"):
            raise here.error(f"{key} is not known to Eph; it knows {', '.join(_TRANSFORMERS)}")
    found: list[Manifest] = []
    for key, step in _TRANSFORMERS.items():
        if data.get(key):
            found = step(here, found, data[key])
    return found


def _resources(kustomization: _Kustomization, manifests: list[Manifest], paths: Any) -> list[Manifest]:
    for path in _require_list(kustomization, paths, "resources"):
        place = kustomization.resolve(str(path))
        listed = kustomization.files.list_folder(place)
        if listed is None:
            manifests = [*manifests, *manifest_reader.parse(place, kustomization.files.read_text(place))]
        elif any(name in KUSTOMIZATION for name in listed):
            manifests = [*manifests, *build(kustomization.files, place, kustomization.depth + 1)]
        else:
            raise kustomization.error(f"{path} is a folder without a kustomization")
    return manifests


def _config_maps(kustomization: _Kustomization, manifests: list[Manifest], generators: Any) -> list[Manifest]:
    return [
        *manifests,
        *(
            _generate(kustomization, "ConfigMap", "data", item)
            for item in _require_list(kustomization, generators, "it")
        ),
    ]


def _secrets(kustomization: _Kustomization, manifests: list[Manifest], generators: Any) -> list[Manifest]:
    return [
        *manifests,
        *(
            _generate(kustomization, "Secret", "stringData", item)
            for item in _require_list(kustomization, generators, "it")
        ),
    ]


def _generate(kustomization: _Kustomization, kind: str, field: str, item: Any) -> Manifest:
    """Without the hash that kustomize adds to the name: pods are made anew by the commit anyway."""
    if not (isinstance(item, dict) and isinstance(item.get("name"), str)):
        raise kustomization.error(f"a generator of {kind} has no name")
    known = {"name", "literals", "files", "envs", "options", "type", "namespace"}
    if unknown := sorted(item.keys() - known):
        raise kustomization.error(
            f"{unknown[0]} is not known to Eph in a generator; it knows {', '.join(sorted(known))}"
        )
    values = dict(_pair(kustomization, text) for text in item.get("literals") or [])
    for path in item.get("envs") or []:
        lines = kustomization.files.read_text(kustomization.resolve(path)).splitlines()
        values |= dict(_pair(kustomization, line) for line in lines if line.strip() and not line.startswith("#"))
    for text in item.get("files") or []:
        key, found, path = str(text).rpartition("=")
        values[key if found else posixpath.basename(path)] = kustomization.files.read_text(kustomization.resolve(path))
    data: Data = {"apiVersion": "v1", "kind": kind, "metadata": {"name": item["name"]}, field: values}
    return Manifest(kustomization.path, {**data, **({"type": item["type"]} if "type" in item else {})})


def _pair(kustomization: _Kustomization, text: Any) -> tuple[str, str]:
    key, found, value = str(text).partition("=")
    if not found:
        raise kustomization.error(f"{text!r} is not key=value")
    return key, value


def _patches(kustomization: _Kustomization, manifests: list[Manifest], patches: Any) -> list[Manifest]:
    for item in _require_list(kustomization, patches, "patches"):
        if isinstance(item, str):
            item = {"path": item}
        if unknown := sorted(item.keys() - {"path", "patch", "target", "options"}):
            raise kustomization.error(f"{unknown[0]} is not known to Eph in a patch")
        place = kustomization.resolve(item["path"]) if "path" in item else kustomization.path
        text = kustomization.files.read_text(place) if "path" in item else str(item.get("patch", ""))
        for document in manifest_reader.documents(place, text):
            manifests = _apply_patch(kustomization, manifests, document, item.get("target"))
    return manifests


def _apply_patch(kustomization: _Kustomization, manifests: list[Manifest], patch: Any, target: Any) -> list[Manifest]:
    operations = isinstance(patch, list)
    if operations and not target:
        raise kustomization.error("a list of patch operations needs a target")
    wanted = target or {"kind": patch.get("kind"), "name": (patch.get("metadata") or {}).get("name")}
    if not isinstance(wanted, dict) or wanted.keys() - {"kind", "name", "group", "version"}:
        raise kustomization.error("a patch's target is known to Eph by group, version, kind and name only")
    hit = [item for item in manifests if _matches(item, wanted)]
    if not hit:
        raise kustomization.error(f"a patch is for {wanted.get('kind')} {wanted.get('name')}, which is not here")
    made = []
    for item in manifests:
        if item not in hit:
            made.append(item)
            continue
        try:
            data = (
                patching.apply_operations(item.data, patch)
                if operations
                else patching.strategic_merge(item.data, patch)
            )
        except patching.InvalidPatch as error:
            raise kustomization.error(f"the patch of {item.data['kind']} {item.name}: {error}") from error
        if data is not None:
            made.append(replace(item, data=data))
    return made


def _matches(manifest: Manifest, target: Mapping[str, Any]) -> bool:
    group, _, version = manifest.data["apiVersion"].rpartition("/")
    have = {"kind": manifest.data["kind"], "name": manifest.name, "group": group, "version": version}
    return all(value is None or re.fullmatch(re.escape(str(value)), have[key]) for key, value in target.items())


def _common_labels(kustomization: _Kustomization, manifests: list[Manifest], labels: Any) -> list[Manifest]:
    return [_with_labels(item, _require_strings(kustomization, labels), selectors=True) for item in manifests]


def _labels(kustomization: _Kustomization, manifests: list[Manifest], groups: Any) -> list[Manifest]:
    for group in _require_list(kustomization, groups, "labels"):
        selectors = bool(group.get("includeSelectors"))
        templates = selectors or bool(group.get("includeTemplates"))
        manifests = [
            _with_labels(item, _require_strings(kustomization, group.get("pairs")), selectors, templates)
            for item in manifests
        ]
    return manifests


def _with_labels(manifest: Manifest, labels: Mapping[str, str], selectors: bool, templates: bool = True) -> Manifest:
    data = copy.deepcopy(manifest.data)
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
    return replace(manifest, data=data)


def _annotations(kustomization: _Kustomization, manifests: list[Manifest], annotations: Any) -> list[Manifest]:
    made = []
    for item in manifests:
        data = copy.deepcopy(item.data)
        _add(data, ("metadata", "annotations"), _require_strings(kustomization, annotations))
        made.append(replace(item, data=data))
    return made


def _images(kustomization: _Kustomization, manifests: list[Manifest], images: Any) -> list[Manifest]:
    """By name: another name, tag or digest. What eph.yaml lists is pinned afterwards, whatever stands here."""
    for image in _require_list(kustomization, images, "images"):
        if unknown := sorted(image.keys() - {"name", "newName", "newTag", "digest"}):
            raise kustomization.error(f"{unknown[0]} is not known to Eph in images")
        made = []
        for item in manifests:
            data = copy.deepcopy(item.data)
            # The default binds this turn's image; mypy knows no types for a lambda's defaults.
            _each_container(data, lambda container, image=image: _rename_image(container, image))  # type: ignore[misc]
            made.append(replace(item, data=data))
        manifests = made
    return manifests


def _rename_image(container: Data, image: Mapping[str, Any]) -> None:
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


def _replicas(kustomization: _Kustomization, manifests: list[Manifest], counts: Any) -> list[Manifest]:
    wanted = {str(item.get("name")): item.get("count") for item in _require_list(kustomization, counts, "replicas")}
    made = []
    for item in manifests:
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


def _require_list(kustomization: _Kustomization, value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise kustomization.error(f"{what}: a list was expected")
    return value


def _require_strings(kustomization: _Kustomization, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise kustomization.error("labels and annotations are text; put numbers in quotes")
    return value


_TRANSFORMERS: Mapping[str, Callable[[_Kustomization, list[Manifest], Any], list[Manifest]]] = {
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

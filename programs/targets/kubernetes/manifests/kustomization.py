"""Reads the kustomizations that one folder is built from, checks them, and rewrites them for kustomize.

kustomize gets the result of ``read``: the kustomizations as we understood them, not as they were written, and the files
that they name. So nothing can mean one thing to us and another to kustomize. Every path leads to a file of the commit;
a remote base, a URL, a plugin or a key we don't know is rejected by name. All objects are counted before kustomize
loads them, because a few kustomizations that include each other can multiply into thousands.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from programs.targets.kubernetes.commit_files import CommitFiles, repository_path
from programs.targets.kubernetes.errors import KubernetesError, ManifestsTooLarge
from programs.targets.kubernetes.manifests import manifest_reader, wording
from programs.targets.kubernetes.manifests.manifest_reader import KUSTOMIZATION
from programs.targets.kubernetes.manifests.renderer import InputFiles
from programs.targets.kubernetes.refusals import Refusals

MAX_OBJECTS = 1000
_MAX_DEPTH = 10
_COPY = "repository"
_ORIGINS = "originAnnotations"
_REMOTE = re.compile(r"^[a-z+]+:|^git@|\?ref=", re.I)
_HOST_LIKE = re.compile(r"^[a-z0-9-]+\.[a-z]+/", re.I)
"""Such as ``host.example/acme/base``, but ``conf.d/default.conf``, too."""
_URL = re.compile(r"\s*https?:", re.I)
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_FORBIDDEN_KEYS = (
    "generators",
    "validators",
    "helmCharts",
    "helmGlobals",
    "helmChartInflationGenerator",
    "openapi",
)
_PLAIN_KEYS = (
    "apiVersion",
    "buildMetadata",
    "commonAnnotations",
    "commonLabels",
    "imageTags",
    "images",
    "kind",
    "labels",
    "metadata",
    "namePrefix",
    "nameSuffix",
    "replicas",
    "sortOptions",
    "vars",
)
_GENERATOR_KEYS = ("behavior", "env", "envs", "files", "literals", "name", "namespace", "options", "type")
_PATCH_KEYS = ("options", "patch", "path", "target")
_REPLACEMENT_KEYS = ("path", "source", "sourceValue", "targets")
BUILTIN_TRANSFORMERS = (
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "SuffixTransformer",
    "ValueAddTransformer",
)


@dataclass(slots=True)
class _Included:
    """What a kustomization loads: how many objects, and which, by kind and name in its files."""

    count: int = 0
    objects: set[tuple[str, str]] = field(default_factory=set)

    def add(self, other: _Included) -> None:
        self.count += other.count
        self.objects |= other.objects


@dataclass(frozen=True, slots=True)
class KustomizeInput:
    """``root``: the folder to build among the inputs. ``notices``: what kustomize will skip."""

    root: str
    notices: tuple[str, ...] = ()


def read(files: CommitFiles, folder: str, inputs: InputFiles) -> KustomizeInput:
    """Adds what kustomize needs to ``inputs``. Raises with everything that isn't allowed, each with the file it is
    in."""
    reader = _Reader(files, inputs)
    root = repository_path(folder)
    included = reader.kustomization(root, ())
    reader.refusals.check()
    if included.count > MAX_OBJECTS:
        raise ManifestsTooLarge(wording.rendering.loads_too_much(folder, included.count, MAX_OBJECTS))
    path = posixpath.join(_COPY, root, KUSTOMIZATION[0])
    data = json.loads(inputs.contents[path])
    # Each object of the output then names the file that it comes from.
    inputs.add(path, _dump({**data, "buildMetadata": sorted({*(data.get("buildMetadata") or ()), _ORIGINS})}))
    return KustomizeInput(posixpath.join(_COPY, root), tuple(reader.notices))


def _dump(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()


class _Reader:
    """Every kustomization and file that was read; each kustomization only once, even if something in it is refused."""

    def __init__(self, files: CommitFiles, inputs: InputFiles) -> None:
        self.files = files
        self.inputs = inputs
        self.refusals = Refusals()
        self.notices: list[str] = []
        self._known: dict[str, _Included] = {}

    def kustomization(self, folder: str, above: tuple[str, ...]) -> _Included:
        names = [item for item in KUSTOMIZATION if item in (self.files.list_folder(folder) or ())]
        path = posixpath.normpath(posixpath.join(folder, names[0]))
        here = _Kustomization(self, folder, path, (*above, folder))
        if folder in above:
            raise here.error(wording.rendering.includes_itself([*above, folder]))
        if len(above) > _MAX_DEPTH:
            raise here.error(wording.rendering.nested_too_deeply(_MAX_DEPTH))
        if len(names) > 1:
            raise here.error(wording.rendering.second_file(names[1]))
        if folder not in self._known:
            self._known[folder] = here.included
            with self.refusals.collect():
                rewritten = here.rewrite()
                self.inputs.add(posixpath.join(_COPY, folder, KUSTOMIZATION[0]), _dump(rewritten))
        return self._known[folder]

    def copy(self, place: str) -> None:
        """As it is, so never a kustomization: that one is rewritten."""
        if posixpath.basename(place) in KUSTOMIZATION:
            raise KubernetesError(wording.rendering.name_its_folder(place))
        self.inputs.add(posixpath.join(_COPY, repository_path(place)), self.files.read_bytes(place))

    def exists(self, place: str) -> bool:
        """As a file or a folder."""
        above, name = posixpath.split(place)
        return self.files.list_folder(place) is not None or name in (self.files.list_folder(above or ".") or ())

    def text(self, place: str) -> str:
        self.copy(place)
        return self.files.read_text(place)


class _Kustomization:
    """One kustomization. ``above`` are the folders that include it, itself last."""

    def __init__(self, reader: _Reader, folder: str, path: str, above: tuple[str, ...]) -> None:
        self.reader = reader
        self.folder = folder
        self.path = path
        self.above = above
        self.included = _Included()

    def error(self, why: str) -> KubernetesError:
        return KubernetesError(f"{self.path}: {why}")

    def rewrite(self) -> dict[str, Any]:
        documents = manifest_reader.documents(self.path, self.reader.files.read_text(self.path))
        if len(documents) != 1 or not isinstance(documents[0], dict):
            raise self.error(wording.rendering.ONE_MAPPING)
        data: dict[str, Any] = documents[0]
        refusals = self.reader.refusals
        refusals.add(*map(self.error, _refused_keys(data)))
        # The environment has its own namespace, and a name with a hash would change with each commit.
        made = {key: value for key, value in data.items() if key in _PLAIN_KEYS}
        with refusals.collect():
            options = self.require_mapping(data.get("generatorOptions") or {}, "generatorOptions")
            made["generatorOptions"] = {**options, "disableNameSuffixHash": True}
        for key, rewriter in _REWRITERS.items():
            if data.get(key):
                with refusals.collect():
                    made[key] = list(self._rewrite_each(rewriter, key, self.require_list(data[key], key)))
        if data.get("kind") != "Component":
            self.reader.notices += self._patches_without_object(made)
        return made

    def _rewrite_each(self, rewriter: _Rewriter, key: str, items: list[Any]) -> Iterator[Any]:
        """One after the other, because something else can be wrong with the next."""
        for item in items:
            if self.reader.refusals.is_full:
                return
            rewritten: list[Any] = []
            with self.reader.refusals.collect():
                rewritten = list(rewriter(self, key, [item]))
            yield from rewritten

    # --- values

    def require_list(self, value: Any, what: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.error(wording.rendering.expected_list(what))
        return value

    def require_mapping(self, value: Any, what: str = "", known: tuple[str, ...] | None = None) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(wording.rendering.expected_mapping(what))
        for key in value:
            if known is not None and key not in known:
                raise self.error(wording.rendering.unknown_key_in(key, what, known))
        return value

    def resolve(self, path: Any) -> str:
        """A path as written here, from the root of the repository."""
        if not isinstance(path, str):
            raise self.error(wording.rendering.not_a_path(path))
        remote = _REMOTE.search(path) is not None
        place = "" if remote else repository_path(posixpath.join(self.folder, path))
        if remote or (_HOST_LIKE.search(path) and not self.reader.exists(place)):
            raise self.error(wording.rendering.not_in_repository(path))
        return place

    def relative(self, place: str) -> str:
        """In a form that can't be taken for a URL."""
        found = posixpath.relpath(place, self.folder)
        return found if found == ".." or found.startswith("../") else f"./{found}"

    def document_file(self, path: Any) -> str:
        """Copies a YAML file, after reading it for mistakes and aliases."""
        place = self.resolve(path)
        manifest_reader.documents(place, self.reader.text(place))
        return self.relative(place)

    # --- keys

    def resources(self, _: str, paths: list[Any]) -> Iterator[str]:
        for path in paths:
            place = self.resolve(path)
            listed = self.reader.files.list_folder(place)
            if listed is None:
                found = manifest_reader.parse(place, self.reader.text(place))
                self.included.add(_Included(len(found), {(item.data["kind"], item.name) for item in found}))
            elif any(name in KUSTOMIZATION for name in listed):
                self.included.add(self.reader.kustomization(place, self.above))
            else:
                raise self.error(wording.rendering.no_kustomization(path))
            yield self.relative(place)

    def generators(self, key: str, items: list[Any]) -> Iterator[dict[str, Any]]:
        kind = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}[key]
        for item in items:
            made = dict(self.require_mapping(item, key, _GENERATOR_KEYS))
            made.pop("namespace", None)
            self.included.add(_Included(1, {(kind, str(item.get("name")))}))
            if "files" in item:
                made["files"] = [self._key_and_file(text) for text in self.require_list(item["files"], "files")]
            if "envs" in item:
                made["envs"] = [self._variables_file(path) for path in self.require_list(item["envs"], "envs")]
            if "env" in item:
                made["env"] = self._variables_file(item["env"])
            yield made

    def _key_and_file(self, text: Any) -> str:
        key, found, path = str(text).rpartition("=")
        place = self.resolve(path)
        self.reader.copy(place)
        return f"{key if found else posixpath.basename(path)}={self.relative(place)}"

    def _variables_file(self, path: Any) -> str:
        """A line without a value would take it from kustomize's own environment."""
        place = self.resolve(path)
        for line in self.reader.text(place).splitlines():
            if line.strip() and not line.lstrip().startswith("#") and "=" not in line:
                raise self.error(wording.rendering.not_key_value(path, line.strip()[:60]))
        return self.relative(place)

    def patches(self, _: str, items: list[Any]) -> Iterator[dict[str, Any]]:
        for item in items:
            made = dict(
                self.require_mapping(
                    {"path": item} if isinstance(item, str) else item, wording.rendering.PATCH, _PATCH_KEYS
                )
            )
            documents = manifest_reader.documents(self.path, str(made.get("patch", "")))
            if documents and isinstance(documents[0], list):
                made["patch"] = _dump(documents[0]).decode()  # kustomize takes a list in one line for JSON
            if "path" in made:
                place = self.resolve(made["path"])
                documents += manifest_reader.documents(place, self.reader.text(place))
                made["path"] = self.relative(place)
            if any(isinstance(document, list) for document in documents) and not made.get("target"):
                raise self.error(wording.rendering.PATCH_NEEDS_TARGET)
            yield made

    def merge_patches(self, _: str, items: list[Any]) -> Iterator[str]:
        """Each is a path or the patch itself."""
        for item in items:
            inline = "\n" in str(item) and manifest_reader.documents(self.path, str(item))
            yield str(item) if inline else self.document_file(item)

    def replacements(self, key: str, items: list[Any]) -> Iterator[dict[str, Any]]:
        for item in items:
            made = dict(self.require_mapping(item, key, _REPLACEMENT_KEYS))
            if "path" in made:
                made["path"] = self.document_file(made["path"])
            yield made

    def transformers(self, _: str, items: list[Any]) -> Iterator[str]:
        """Only those that are part of kustomize, written out here: any other is a program."""
        for item in items:
            place, text = self.path, str(item)
            if "\n" not in text:
                place = self.resolve(item)
                text = self.reader.files.read_text(place)
            for document in manifest_reader.documents(place, text):
                data = self.require_mapping(document, place)
                if data.get("apiVersion") != "builtin" or data.get("kind") not in BUILTIN_TRANSFORMERS:
                    raise self.error(wording.rendering.transformer_runs_programs(item))
                if url := next((value for value in _strings(data) if _URL.match(value)), None):
                    raise self.error(wording.rendering.url_in_transformer(url))
                yield f"{_dump(data).decode()}\n"

    def documents(self, _: str, paths: list[Any]) -> Iterator[str]:
        yield from map(self.document_file, paths)

    def _patches_without_object(self, made: Mapping[str, Any]) -> Iterator[str]:
        """kustomize skips a patch whose target doesn't exist. Names can have got a prefix or a suffix on the way."""
        for patch in [*made.get("patches", ()), *made.get("patchesJson6902", ())]:
            target = patch.get("target")
            target = target if isinstance(target, dict) else {}
            kind, name = str(target.get("kind", "")), str(target.get("name", ""))
            if not (kind and _PLAIN_NAME.fullmatch(name)):
                continue
            if not any(kind == other and found in name for other, found in self.included.objects):
                yield self.error(wording.rendering.patch_without_object(kind, name)).sentence


def _refused_keys(data: Mapping[str, Any]) -> Iterator[str]:
    known = sorted([*_REWRITERS, *_PLAIN_KEYS])
    for key in data:
        if key in _FORBIDDEN_KEYS:
            yield wording.rendering.runs_programs(key)
        elif key not in (*known, "namespace", "generatorOptions"):
            yield wording.rendering.unknown_key(key, known)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *_strings(item))
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


_Rewriter = Callable[[_Kustomization, str, list[Any]], Iterator[Any]]
_REWRITERS: Mapping[str, _Rewriter] = {
    "bases": _Kustomization.resources,
    "resources": _Kustomization.resources,
    "components": _Kustomization.resources,
    "configMapGenerator": _Kustomization.generators,
    "secretGenerator": _Kustomization.generators,
    "patches": _Kustomization.patches,
    "patchesJson6902": _Kustomization.patches,
    "patchesStrategicMerge": _Kustomization.merge_patches,
    "replacements": _Kustomization.replacements,
    "transformers": _Kustomization.transformers,
    "configurations": _Kustomization.documents,
    "crds": _Kustomization.documents,
}

"""Reads Kubernetes objects from YAML, each with the file it comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from programs.targets.kubernetes.errors import KubernetesError
from programs.targets.kubernetes.manifests import wording
from programs.targets.kubernetes.refusals import Refusals
from programs.targets.kubernetes.rendering.namespace_objects import Data

KUSTOMIZATION = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MAX_CHARACTERS = 500_000
_MAX_DEPTH = 60
_MAX_REPEATED = 100_000
"""Values and characters that the aliases of one file may add to it."""
_MAX_NUMBER = 2**53


@dataclass(frozen=True, slots=True)
class ChartRelease:
    """What a Helm chart is rendered with. ``values``: from eph.yaml, by dotted path. ``values_files``: files of the
    repository; ``values`` override them, and later files override earlier ones. ``helm``: the program, if it isn't on
    PATH."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    values_files: tuple[str, ...] = ()
    helm: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and the file it comes from. ``node``: its YAML in that file, to find the line of an error; None if a
    program rendered it."""

    path: str
    data: Data
    node: yaml.Node | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        return str(self.data["metadata"]["name"])

    def error(self, why: str) -> KubernetesError:
        """``why`` may start with the path of a field."""
        line = f":{_line_in(self.node, why)}" if self.node is not None else ""
        return KubernetesError(f"{self.path}{line}: {self.data['kind']} {self.name}: {why}")


@dataclass(frozen=True, slots=True)
class ReadManifests:
    """The objects at one path, and what the author should know about them."""

    objects: tuple[Manifest, ...]
    notices: tuple[str, ...] = ()


def parse(path: str, text: str, max_characters: int = _MAX_CHARACTERS, rendered: bool = False) -> list[Manifest]:
    """``rendered``: the text isn't the file's own, so its lines mean nothing to the author."""
    found, refusals = [], Refusals()
    for node, document in _documents(path, text, max_characters):
        with refusals.collect():
            objects = list(_objects(path, document))
            known = None if rendered or document.get("kind") == "List" else node
            found += [Manifest(path, data, known) for data in objects]
    refusals.check()
    return found


def _line_in(node: yaml.Node, sentence: str) -> int:
    """The line of the field that the sentence names, as far as the path exists."""
    line = _line_number(node.start_mark)
    for key, index in _STEP.findall(sentence.partition(" ")[0].rstrip(":")):
        if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
            node = node.value[int(index)]
        elif key and isinstance(node, yaml.MappingNode):
            # A key of its own comes after those that it merged.
            found = next(((name, value) for name, value in reversed(node.value) if name.value == key), None)
            if found is None:
                break
            name, node = found
            line = _line_number(name.start_mark)
            continue
        else:
            break
        line = _line_number(node.start_mark)
    return line


_STEP = re.compile(r"([A-Za-z0-9_-]+)|\[(\d+)\]")


def documents(path: str, text: str, max_characters: int = _MAX_CHARACTERS) -> list[Any]:
    """The documents of a file. Aliases are limited: a few lines of them can expand to gigabytes."""
    return [document for _, document in _documents(path, text, max_characters)]


def _documents(path: str, text: str, max_characters: int) -> list[tuple[yaml.Node, Any]]:
    """Each with the node that it was made of."""
    if len(text) > max_characters:
        raise KubernetesError(wording.reading.too_long(path, len(text), max_characters))
    try:
        _check_events(path, text)
        found = [(node, item) for node, item in _load_all(text) if item is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = wording.reading.at_line(path, _line_number(mark)) if mark else path
        raise KubernetesError(
            wording.reading.invalid_yaml(place, getattr(error, "problem", None) or str(error))
        ) from error
    except ValueError as error:  # a number or a date that Python can't represent
        raise KubernetesError(wording.reading.invalid_yaml(path, str(error)[:100])) from error
    for _, item in found:
        _check_values(path, item)
    return found


def _load_all(text: str) -> Iterator[tuple[yaml.Node, Any]]:
    loader = _StrictLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield node, loader.construct_document(node)
    finally:
        loader.dispose()


def _check_events(path: str, text: str) -> None:
    """Before anything is built: the parser needs time in proportion to the square of the depth, and the loader
    recurses."""
    nesting = _Nesting()
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        nesting.add(event)
        if nesting.depth > _MAX_DEPTH or nesting.repeated > _MAX_REPEATED:
            place = wording.reading.at_line(path, _line_number(event.start_mark))
            deep = nesting.depth > _MAX_DEPTH
            raise KubernetesError(wording.reading.too_deep(place) if deep else wording.reading.too_much_repeated(place))


@dataclass(slots=True)
class _Value:
    """A value that is being read: its anchor, how much it contains with its aliases written out, and how deeply."""

    anchor: str | None
    size: int = 1
    height: int = 0


class _Nesting:
    """How deep a file is at an event, and how much its aliases have added so far."""

    def __init__(self) -> None:
        self.depth = 0
        self.repeated = 0
        self._open: list[_Value] = []
        self._anchored: dict[str, _Value] = {}

    def add(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._anchored = {}
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open.append(_Value(event.anchor))
            self.depth = len(self._open)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(self._open.pop())
        elif isinstance(event, yaml.ScalarEvent):
            self._close(_Value(event.anchor, 1 + len(event.value)))
        elif isinstance(event, yaml.AliasEvent):
            # An anchor that is missing here is unknown, or contains the alias itself: without an end.
            value = self._anchored.get(event.anchor or "", _Value(None, _MAX_REPEATED + 1))
            self.repeated += value.size
            self._close(_Value(None, value.size, value.height))

    def _close(self, value: _Value) -> None:
        """Adds a value to the one that contains it."""
        if value.anchor:
            self._anchored[value.anchor] = value
        self.depth = len(self._open) + value.height
        if self._open:
            above = self._open[-1]
            above.size += value.size
            above.height = max(above.height, value.height + 1)


class _StrictLoader(yaml.SafeLoader):
    """Dates stay text, and duplicate keys are rejected: the second would hide the first from a reader."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Here, because a mapping later contains the keys that it merges, too."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key, count in Counter(keys).items():
            if count > 1:
                raise yaml.MarkedYAMLError(problem=wording.reading.duplicate_key(key), problem_mark=node.start_mark)
        return node


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _line_number(mark: Any) -> int:
    return int(mark.line) + 1


def _check_values(path: str, value: Any) -> None:
    """Only what JSON can represent: YAML's tags also produce dates, sets and bytes."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise KubernetesError(wording.reading.key_not_text(path, key))
            _check_values(path, item)
    elif isinstance(value, list):
        for item in value:
            _check_values(path, item)
    elif isinstance(value, (int, float)) and not abs(value) < _MAX_NUMBER:
        raise KubernetesError(wording.reading.number_too_large(path))
    elif value is not None and not isinstance(value, (str, int, float)):
        raise KubernetesError(wording.reading.unknown_type(path, type(value).__name__))


def _objects(path: str, document: Any) -> Iterator[Data]:
    if not isinstance(document, dict):
        raise KubernetesError(wording.reading.not_an_object(path, type(document).__name__))
    kind, version = document.get("kind"), document.get("apiVersion")
    if not (isinstance(kind, str) and isinstance(version, str)):
        raise KubernetesError(wording.reading.without_kind(path))
    if kind == "List":
        for item in document.get("items") or []:
            yield from _objects(path, item)
        return
    metadata = document.get("metadata")
    if not (isinstance(metadata, dict) and isinstance(metadata.get("name"), str)):
        raise KubernetesError(wording.reading.without_name(path, kind))
    yield document

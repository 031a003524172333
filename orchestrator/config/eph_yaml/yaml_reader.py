"""Parses YAML into a tree with line numbers, from the parser's events and under hard limits.

Nothing is constructed from tags, and nothing is expanded: an alias refers to the same node and counts with its whole
size, so a bomb exceeds the limit before it takes memory. Limits are checked event by event while reading, because the
parser itself gets slow on deep nesting. The file is untrusted input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from orchestrator.config import wording
from orchestrator.config.problems import InvalidConfig, Problem
from programs.eph_yaml.numbers import YamlFloat, YamlInt
from programs.quoting import MAX_QUOTED, escape
from programs.settings import MAX_KEY

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}\.[0-9]{0,18})(?:[eE][-+]?[0-9]{1,2})?")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_BRACKETS = re.compile(r"[\[{]{100}")
"""The parser looks 1,024 characters ahead at quadratic cost; a hundred brackets in a row are never intended."""
_INVALID_CHARACTERS = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class YamlLimits:
    """The maximum size of a file, number of values (with aliases expanded), and nesting depth."""

    size: int = 64 * 1024
    nodes: int = 5000
    depth: int = 50


@dataclass(slots=True)
class YamlNode:
    """A value and its start position (from 1). ``keys`` contains the positions of a mapping's keys. ``size`` and
    ``height`` are those of the tree below it, with all aliases expanded."""

    line: int
    column: int
    value: Any = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1
    height: int = 1


def read(text: bytes, file: str, limits: YamlLimits) -> tuple[YamlNode, list[Problem]]:
    """The file's root, and the errors that didn't stop the parser. Raises InvalidConfig for those that did."""
    decoded = _decode(text, file, limits)
    _check_brackets(decoded, file, limits)
    reader = _EventReader(file, limits)
    try:
        root = reader.read(YAML(typ="safe", pure=True).parse(decoded))
    except MarkedYAMLError as error:
        raise InvalidConfig([_syntax_problem(file, decoded, error)]) from error
    except InvalidConfig:
        raise
    except Exception as error:  # the library raises all kinds of errors on broken input, and none of them may escape
        raise InvalidConfig([_unreadable_problem(file, decoded, error, reader.line)]) from error
    return root, reader.problems


def to_plain(node: YamlNode) -> Any:
    """The tree as plain values, sequences as tuples."""
    if isinstance(node.value, dict):
        return {key: to_plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return tuple(to_plain(item) for item in node.value)
    return node.value


def locate(root: YamlNode, path: tuple[str | int, ...], of_key: bool = False) -> tuple[int, int]:
    """Line and column of the value at ``path``, as far as the path exists. Returns the position of its key if
    requested, and for a value that starts on a later line than its key."""
    node, place = root, (root.line, root.column)
    for step in path:
        if isinstance(node.value, dict) and step in node.value:
            place = node.keys[str(step)]
            node = node.value[step]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            place = (node.line, node.column)
    return place if of_key or node.line > place[0] else (node.line, node.column)


def _decode(text: bytes, file: str, limits: YamlLimits) -> str:
    if len(text) > limits.size:
        message = wording.syntax.file_too_long(len(text))
        raise InvalidConfig([Problem(file, 1, 1, message, wording.syntax.at_most_kilobytes(limits.size // 1024))])
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = wording.syntax.not_utf_8(text[error.start])
        raise InvalidConfig([Problem(file, line, column, message, wording.syntax.SAVE_AS_UTF_8)]) from error


def _check_brackets(text: str, file: str, limits: YamlLimits) -> None:
    found = _BRACKETS.search(text)
    if found:
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        expected = wording.syntax.nesting_limit(limits.depth)
        raise InvalidConfig([Problem(file, line, column, wording.syntax.NESTED_TOO_DEEPLY, expected)])


def _syntax_problem(file: str, text: str, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.split("\n")
    written = lines[line] if line < len(lines) else ""
    if "\t" in written[: column + 1]:
        return Problem(file, line + 1, written.index("\t") + 1, wording.syntax.TAB, wording.syntax.INDENT_WITH_SPACES)
    why = escape(" ".join(str(error.problem or error.context or "").split()), MAX_QUOTED)
    return Problem(file, line + 1, column + 1, wording.syntax.not_yaml(why))


def _unreadable_problem(file: str, text: str, error: Exception, last_line: int) -> Problem:
    """The library reports the position of a character that YAML doesn't allow. For other errors of this kind it reports
    nothing, so the last line that could be read is the best guess."""
    position = getattr(error, "position", None)
    if isinstance(position, int):
        before = text[:position]
        line, column = before.count("\n") + 1, position - before.rfind("\n")
        return Problem(file, line, column, wording.syntax.CHARACTER_NOT_ALLOWED, wording.syntax.REMOVE_CHARACTERS)
    message = wording.syntax.INVALID_YAML
    return Problem(file, last_line, 1, message, wording.syntax.CHECK_ESCAPES)


class _EventReader:
    """Turns events into nodes. It has its own stack, so nesting can't exhaust Python's."""

    def __init__(self, file: str, limits: YamlLimits) -> None:
        self._file = file
        self._limits = limits
        self.problems: list[Problem] = []
        self._anchors: dict[str, YamlNode] = {}
        self._collections: list[tuple[YamlNode, str | None]] = []
        """Open collections, each with its anchor."""
        self._pending_keys: list[tuple[str, YamlNode] | None] = []
        """For each of them, the key that has no value yet."""
        self._root: YamlNode | None = None
        self._node_count = 0
        self._document_count = 0
        self.line = 1
        """The line of the last event."""

    def read(self, events: Iterator[Any]) -> YamlNode:
        for event in events:
            self.line = event.start_mark.line + 1
            match event:
                case DocumentStartEvent():
                    self._start_document(event)
                case AliasEvent():
                    self._attach(self._alias(event))
                case ScalarEvent():
                    self._attach(self._keep_anchor(event, self._scalar(event)))
                case MappingStartEvent() | SequenceStartEvent():
                    self._start_collection(event)
                case MappingEndEvent() | SequenceEndEvent():
                    self._end_collection()
        return self._root or YamlNode(1, 1)

    def _start_document(self, event: Any) -> None:
        self._document_count += 1
        if self._document_count > 1:
            raise self._fatal(event, wording.syntax.SECOND_DOCUMENT, wording.syntax.KEEP_ONE_DOCUMENT)
        if event.version or event.tags:
            raise self._fatal(event, wording.syntax.DIRECTIVE, wording.syntax.REMOVE_DIRECTIVE)

    def _start_collection(self, event: Any) -> None:
        self._reject_tag(event)
        node = self._new_node(event)
        node.value = {} if isinstance(event, MappingStartEvent) else []
        if len(self._collections) >= self._limits.depth:
            raise self._fatal(event, wording.syntax.NESTED_TOO_DEEPLY, wording.syntax.nesting_limit(self._limits.depth))
        self._collections.append((node, event.anchor))
        self._pending_keys.append(None)

    def _end_collection(self) -> None:
        node, anchor = self._collections.pop()
        self._pending_keys.pop()
        if anchor:
            self._anchors[anchor] = node
        self._attach(node)

    def _scalar(self, event: Any) -> YamlNode:
        self._reject_tag(event)
        node = self._new_node(event)
        if _INVALID_CHARACTERS.search(event.value):
            self._add_problem(node, wording.syntax.INVALID_CHARACTER, wording.syntax.REMOVE_ESCAPE)
            node.value = _INVALID_CHARACTERS.sub("", event.value)
        else:
            node.value = _resolve(event.value) if event.style in (None, "") else event.value
        return node

    def _alias(self, event: Any) -> YamlNode:
        named = self._anchors.get(event.anchor)
        if named is None:
            raise self._fatal(event, wording.syntax.unknown_anchor(escape(event.anchor, MAX_KEY)), "")
        return named

    def _keep_anchor(self, event: Any, node: YamlNode) -> YamlNode:
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _attach(self, node: YamlNode) -> None:
        """Adds a finished value to its parent and checks the limits immediately."""
        if not self._collections:
            self._root = node
            return
        parent = self._collections[-1][0]
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if parent.size > self._limits.nodes or len(self._collections) + node.height > self._limits.depth + 1:
            raise self._too_large(parent)
        if isinstance(parent.value, list):
            parent.value.append(node)
        else:
            self._attach_to_mapping(parent, node)

    def _attach_to_mapping(self, parent: YamlNode, node: YamlNode) -> None:
        waiting = self._pending_keys[-1]
        if waiting is None:
            self._pending_keys[-1] = (self._key_name(node), node)
            return
        self._pending_keys[-1] = None
        name, key = waiting
        if name in parent.value:
            first = parent.keys[name][0]
            shown = escape(name, MAX_KEY)
            self._add_problem(key, wording.syntax.duplicate_key(shown, first), wording.syntax.KEEP_ONE)
            return
        parent.value[name] = node
        parent.keys[name] = (key.line, key.column)

    def _key_name(self, node: YamlNode) -> str:
        value = node.value
        if isinstance(value, YamlInt | YamlFloat):
            return value.text
        if isinstance(value, str):
            return value
        self._add_problem(node, wording.syntax.KEY_NOT_TEXT, wording.syntax.NAME_BEFORE_COLON)
        return str(value) if value is None or isinstance(value, bool) else f"line {node.line}"

    def _new_node(self, event: Any) -> YamlNode:
        self._node_count += 1
        node = YamlNode(event.start_mark.line + 1, event.start_mark.column + 1)
        if self._node_count > self._limits.nodes:
            raise self._too_large(node)
        return node

    def _reject_tag(self, event: Any) -> None:
        if event.tag is not None:
            shown = escape(str(event.tag).replace("tag:yaml.org,2002:", "!!"), MAX_KEY)
            raise self._fatal(event, wording.syntax.tag(shown), wording.syntax.REMOVE_TAG)

    def _add_problem(self, node: YamlNode, message: str, expected: str) -> None:
        self.problems.append(Problem(self._file, node.line, node.column, message, expected))

    def _fatal(self, event: Any, message: str, expected: str) -> InvalidConfig:
        mark = event.start_mark
        return InvalidConfig([*self.problems, Problem(self._file, mark.line + 1, mark.column + 1, message, expected)])

    def _too_large(self, node: YamlNode) -> InvalidConfig:
        expected = wording.syntax.size_limit(self._limits.nodes, self._limits.depth)
        return InvalidConfig([Problem(self._file, node.line, node.column, wording.syntax.FILE_TOO_LARGE, expected)])


def _resolve(text: str) -> Any:
    """The value of a plain scalar, by YAML 1.2's core schema, without the exotic spellings of numbers."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    number: YamlInt | YamlFloat
    if _INTEGER.fullmatch(text):
        number = YamlInt(text)
    elif _FLOAT.fullmatch(text):
        number = YamlFloat(text)
    else:
        return text
    number.text = text
    return number

"""YAML as a tree that knows its lines, built from the parser's events under hard limits.

Nothing is constructed from tags, and nothing is expanded: an alias points at the very node it names, and counts with
that node's whole size, so a bomb is over the limit before it takes memory. Limits are checked while reading, event by
event, because the parser itself gets slow on deep nesting. Whoever writes the file is not trusted.
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

from orchestrator.config.problems import KEY_MOST, QUOTED_MOST, InvalidConfig, Problem, escape

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}\.[0-9]{0,18})(?:[eE][-+]?[0-9]{1,2})?")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_BRACKETS = re.compile(r"[\[{]{100}")
"""The parser looks 1,024 characters ahead, at the square of the cost; nobody means a hundred brackets in a row."""
_UNFIT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """How big a file may be, how many values it may have (aliases expanded), how deep they may nest."""

    size: int = 64 * 1024
    nodes: int = 5000
    depth: int = 50


class WholeNumber(int):
    """An integer that remembers how it was written, for where a text is wanted (``version: 015``)."""

    text: str


class Fraction(float):
    """A float that remembers how it was written (``version: 1.10`` is not 1.1)."""

    text: str


@dataclass(slots=True)
class Node:
    """A value and where it starts (from 1). ``keys`` are a mapping's keys with their own places.

    ``size`` and ``height`` are those of the tree below it with every alias expanded.
    """

    line: int
    column: int
    value: Any = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1
    height: int = 1


def read(text: bytes, file: str, limits: Limits) -> tuple[Node, list[Problem]]:
    """The file's root, and the mistakes that did not stop the reading; raises InvalidConfig for those that did."""
    decoded = _decode(text, file, limits)
    _refuse_brackets(decoded, file, limits)
    reader = _Reader(file, limits)
    try:
        root = reader.read(YAML(typ="safe", pure=True).parse(decoded))
    except MarkedYAMLError as error:
        raise InvalidConfig([_syntax(file, decoded, error)]) from error
    except InvalidConfig:
        raise
    except Exception as error:  # the library leaks all kinds of errors on broken input, and none of them may pass
        raise InvalidConfig([_unreadable(file, decoded, error, reader.line)]) from error
    return root, reader.problems


def plain(node: Node) -> Any:
    """The tree as plain values, sequences as tuples."""
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return tuple(plain(item) for item in node.value)
    return node.value


def locate(root: Node, path: tuple[str | int, ...], of_key: bool = False) -> tuple[int, int]:
    """Line and column of the value at ``path``, as far down as the path leads; of its key, if asked for, and for a
    value that starts on a later line than its key."""
    node, place = root, (root.line, root.column)
    for step in path:
        if isinstance(node.value, dict) and step in node.value:
            place = node.keys[str(step)]
            node = node.value[step]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            place = (node.line, node.column)
    return place if of_key or node.line > place[0] else (node.line, node.column)


def _decode(text: bytes, file: str, limits: Limits) -> str:
    if len(text) > limits.size:
        message = f"the file has {len(text):,} bytes"
        raise InvalidConfig([Problem(file, 1, 1, message, f"write at most {limits.size // 1024} KiB")])
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = f"byte 0x{text[error.start]:02x} is not UTF-8"
        raise InvalidConfig([Problem(file, line, column, message, "save the file as UTF-8")]) from error


def _refuse_brackets(text: str, file: str, limits: Limits) -> None:
    found = _BRACKETS.search(text)
    if found:
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        expected = f"nest at most {limits.depth} levels"
        raise InvalidConfig([Problem(file, line, column, "values nest too deep", expected)])


def _syntax(file: str, text: str, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.split("\n")
    written = lines[line] if line < len(lines) else ""
    if "\t" in written[: column + 1]:
        return Problem(file, line + 1, written.index("\t") + 1, "a tab where YAML wants spaces", "indent with spaces")
    why = escape(" ".join(str(error.problem or error.context or "").split()), QUOTED_MOST)
    return Problem(file, line + 1, column + 1, f"this is not YAML: {why}")


def _unreadable(file: str, text: str, error: Exception, last: int) -> Problem:
    """The library tells the place of a character that YAML does not allow; of other mistakes of this kind nothing,
    and the last line that could be read is the nearest we know."""
    position = getattr(error, "position", None)
    if isinstance(position, int):
        before = text[:position]
        line, column = before.count("\n") + 1, position - before.rfind("\n")
        return Problem(file, line, column, "a character that YAML does not allow", "remove what does not print")
    message = "from about this line on, this is not YAML that can be read"
    return Problem(file, last, 1, message, "look for an escape or a bracket that is wrong")


class _Reader:
    """Turns events into nodes. Its stack is ours, so that nesting cannot overrun Python's."""

    def __init__(self, file: str, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node] = {}
        self._open: list[tuple[Node, str | None]] = []
        """Collections begun and not ended, each with its anchor."""
        self._key: list[tuple[str, Node] | None] = []
        """For each of them, the key that waits for its value."""
        self._root: Node | None = None
        self._nodes = 0
        self._documents = 0
        self.line = 1
        """The line of the last event."""

    def read(self, events: Iterator[Any]) -> Node:
        for event in events:
            self.line = event.start_mark.line + 1
            match event:
                case DocumentStartEvent():
                    self._document(event)
                case AliasEvent():
                    self._add(self._alias(event))
                case ScalarEvent():
                    self._add(self._keep_anchor(event, self._scalar(event)))
                case MappingStartEvent() | SequenceStartEvent():
                    self._begin(event)
                case MappingEndEvent() | SequenceEndEvent():
                    self._end()
        return self._root or Node(1, 1)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._stop(event, "a second document starts here", "keep one document in the file")
        if event.version or event.tags:
            raise self._stop(event, "a YAML directive", "remove the line that starts with %")

    def _begin(self, event: Any) -> None:
        self._refuse_tag(event)
        node = self._count(event)
        node.value = {} if isinstance(event, MappingStartEvent) else []
        if len(self._open) >= self._limits.depth:
            raise self._stop(event, "values nest too deep", f"nest at most {self._limits.depth} levels")
        self._open.append((node, event.anchor))
        self._key.append(None)

    def _end(self) -> None:
        node, anchor = self._open.pop()
        self._key.pop()
        if anchor:
            self._anchors[anchor] = node
        self._add(node)

    def _scalar(self, event: Any) -> Node:
        self._refuse_tag(event)
        node = self._count(event)
        if _UNFIT.search(event.value):
            self._note(node, "a character that no text may hold (NUL or half a surrogate pair)", "remove the escape")
            node.value = _UNFIT.sub("", event.value)
        else:
            node.value = _resolve(event.value) if event.style in (None, "") else event.value
        return node

    def _alias(self, event: Any) -> Node:
        named = self._anchors.get(event.anchor)
        if named is None:
            raise self._stop(event, f"nothing is named &{escape(event.anchor, KEY_MOST)} before this", "")
        return named

    def _keep_anchor(self, event: Any, node: Node) -> Node:
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _add(self, node: Node) -> None:
        """Puts a finished value where it belongs; the sizes that it brings are checked at once."""
        if not self._open:
            self._root = node
            return
        parent = self._open[-1][0]
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if parent.size > self._limits.nodes or len(self._open) + node.height > self._limits.depth + 1:
            raise self._too_many(parent)
        if isinstance(parent.value, list):
            parent.value.append(node)
        else:
            self._add_to_mapping(parent, node)

    def _add_to_mapping(self, parent: Node, node: Node) -> None:
        waiting = self._key[-1]
        if waiting is None:
            self._key[-1] = (self._name(node), node)
            return
        self._key[-1] = None
        name, key = waiting
        if name in parent.value:
            first = parent.keys[name][0]
            shown = escape(name, KEY_MOST)
            self._note(key, f"`{shown}` is here a second time, after line {first}", "keep one of the two")
            return
        parent.value[name] = node
        parent.keys[name] = (key.line, key.column)

    def _name(self, node: Node) -> str:
        value = node.value
        if isinstance(value, WholeNumber | Fraction):
            return value.text
        if isinstance(value, str):
            return value
        self._note(node, "a key that is not a word", "write a name before the colon")
        return str(value) if value is None or isinstance(value, bool) else f"line {node.line}"

    def _count(self, event: Any) -> Node:
        self._nodes += 1
        node = Node(event.start_mark.line + 1, event.start_mark.column + 1)
        if self._nodes > self._limits.nodes:
            raise self._too_many(node)
        return node

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            shown = escape(str(event.tag).replace("tag:yaml.org,2002:", "!!"), KEY_MOST)
            raise self._stop(event, f"a tag, {shown}", "remove what starts with !")

    def _note(self, node: Node, message: str, expected: str) -> None:
        self.problems.append(Problem(self._file, node.line, node.column, message, expected))

    def _stop(self, event: Any, message: str, expected: str) -> InvalidConfig:
        mark = event.start_mark
        return InvalidConfig([*self.problems, Problem(self._file, mark.line + 1, mark.column + 1, message, expected)])

    def _too_many(self, node: Node) -> InvalidConfig:
        expected = f"keep to {self._limits.nodes:,} values, {self._limits.depth} levels deep, aliases counted in full"
        return InvalidConfig([Problem(self._file, node.line, node.column, "too much in this file", expected)])


def _resolve(text: str) -> Any:
    """What a plain scalar means, by YAML 1.2's core schema, without the exotic spellings of numbers."""
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    number: WholeNumber | Fraction
    if _INTEGER.fullmatch(text):
        number = WholeNumber(text)
    elif _FLOAT.fullmatch(text):
        number = Fraction(text)
    else:
        return text
    number.text = text
    return number

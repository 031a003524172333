"""Turns untrusted bytes into a ``Document``, or into the list of everything that is wrong with them, with lines.

Three steps, each on what the previous one accepted: reading (limits, YAML), models (each section by itself),
consistency (between sections). Pydantic's errors are translated here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from orchestrator.config import wording
from orchestrator.config.eph_yaml.consistency import inconsistencies
from orchestrator.config.eph_yaml.label_variants import variant_inconsistencies
from orchestrator.config.eph_yaml.models.document import EphYaml
from orchestrator.config.eph_yaml.models.triggers import BranchTrigger, CommentTrigger, LabelTrigger, TagTrigger
from orchestrator.config.eph_yaml.yaml_reader import YamlLimits, YamlNode, locate, read, to_plain
from orchestrator.config.problems import InvalidConfig, Problem
from programs.eph_yaml.field_types import Section
from programs.quoting import escape, quote
from programs.settings import MAX_KEY, InvalidValue

FILE = "eph.yaml"
YamlPath = tuple[str | int, ...]
_TRIGGERS: Mapping[str, type[BaseModel]] = {
    "pr_label": LabelTrigger,
    "branch": BranchTrigger,
    "tag": TagTrigger,
    "comment": CommentTrigger,
}
_TYPE_ERRORS: Mapping[str, tuple[str, str]] = {
    "string_type": ("text", wording.syntax.USE_TEXT),
    "int_type": (wording.syntax.WHOLE_NUMBER, wording.syntax.USE_DIGITS),
    "bool_type": ("a boolean", wording.syntax.USE_BOOLEAN),
    "tuple_type": ("a list", wording.syntax.USE_LIST),
    "dict_type": ("a mapping", wording.syntax.USE_MAPPING),
    "model_type": ("a mapping", wording.syntax.USE_MAPPING),
    "model_attributes_type": ("a mapping", wording.syntax.USE_MAPPING),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A valid eph.yaml, and the position of each value in its file."""

    config: EphYaml
    tree: YamlNode
    file: str = FILE

    def problem(self, path: YamlPath, message: str, expected: str = "") -> Problem:
        """A problem with the value at ``path``, for rules that only the server knows."""
        path = as_written(self.tree, path)
        line, column = locate(self.tree, path)
        return Problem(self.file, line, column, f"{dotted(path)}: {message}" if path else message, expected)


def parse(text: bytes, filename: str = FILE, limits: YamlLimits | None = None) -> Document:
    """Parses an eph.yaml. Raises only InvalidConfig, with everything that is wrong with the file."""
    root, problems = read(text, filename, limits or YamlLimits())
    try:
        config = EphYaml.model_validate(to_plain(root))
    except ValidationError as error:
        found = [
            _translate(root, filename, item) for item in error.errors(include_url=False) if not _is_consequence(item)
        ]
        raise InvalidConfig([*problems, *found]) from error
    document = Document(config, root, filename)
    violated = (*inconsistencies(config), *variant_inconsistencies(config))
    problems.extend(document.problem(path, error.message, error.expected) for path, error in violated)
    if problems:
        raise InvalidConfig(problems)
    return document


def validate_text(text: str | bytes, filename: str = FILE) -> list[str]:
    """What is wrong with a file, one sentence per problem; empty if nothing is."""
    try:
        parse(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text, filename)
    except InvalidConfig as error:
        return list(error.lines())
    return []


def dotted(path: YamlPath) -> str:
    """``environment.images[0].name``. Keys that users chose are shortened and escaped."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            shown += f".{escape(step, MAX_KEY)}" if shown else escape(step, MAX_KEY)
    return shown


def as_written(root: YamlNode, path: YamlPath) -> YamlPath:
    """The path of a value in this file. Images can be at the top, too."""
    top = isinstance(root.value, dict) and "images" in root.value
    return path[1:] if top and path[:2] == ("environment", "images") else path


def _is_consequence(error: Any) -> bool:
    """pydantic also reports a list with invalid items as too short; only the invalid items are worth reporting."""
    return error["type"] == "too_short" and bool(error["input"])


def _translate(root: YamlNode, file: str, error: Any) -> Problem:
    """Translates one of pydantic's errors, with its position in the file."""
    kind = error["type"]
    path, of_key = _file_path(error["loc"])
    path = as_written(root, path)
    if kind == "missing":
        line, column = locate(root, path[:-1])
        return Problem(file, line, column, wording.syntax.missing(dotted(path)), _missing_key_hint(error["loc"]))
    if kind == "extra_forbidden":
        line, column = locate(root, path, of_key=True)
        return Problem(file, line, column, wording.syntax.unknown_key(dotted(path)), _suggest(error["loc"]))
    if not path and kind in _TYPE_ERRORS:
        return Problem(file, root.line, 1, wording.syntax.NOT_A_MAPPING, wording.syntax.START_OF_FILE)
    message, expected, deeper = _explain(kind, error)
    line, column = locate(root, path + deeper, of_key)
    where = dotted(path + deeper)
    return Problem(file, line, column, f"{where}: {message}" if where else message, expected)


def _file_path(location: YamlPath) -> tuple[YamlPath, bool]:
    """Pydantic's location without steps that aren't in the file: the type of a trigger, and the mark for a key."""
    of_key = bool(location) and location[-1] == "[key]"
    path = location[:-1] if of_key else location
    if path[:1] == ("triggers",) and len(path) > 2:
        path = path[:2] + path[3:]
    return path, of_key


def _explain(kind: str, error: Any) -> tuple[str, str, YamlPath]:
    """What is wrong, what to write, and how much deeper the error is than pydantic reports."""
    given, context = error["input"], error.get("ctx", {})
    rejected = context.get("error")
    if isinstance(rejected, InvalidValue):
        return rejected.message, rejected.expected, rejected.path
    if kind in _TYPE_ERRORS:
        wanted, expected = _TYPE_ERRORS[kind]
        return wording.syntax.differs(_describe(given), wanted), expected, ()
    if kind == "literal_error":
        return wording.syntax.not_allowed(_describe(given)), f"use {_alternatives(context['expected'])}", ()
    if kind == "union_tag_invalid":
        tag = quote(context["tag"])
        return wording.syntax.not_allowed(tag), f"use {_alternatives(context['expected_tags'])}", ("type",)
    if kind == "union_tag_not_found":
        return "`type` is missing", wording.syntax.ADD_TYPE, ()
    if kind == "too_short":
        return wording.syntax.EMPTY_LIST, wording.syntax.FILL_LIST, ()
    return wording.syntax.invalid(_describe(given)), escape(str(error["msg"]).lower(), 80), ()


def _describe(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case tuple():
            return "a list"
        case _:
            return quote(value)


def _alternatives(expected: object) -> str:
    return str(expected).replace("'", "")


def _missing_key_hint(location: YamlPath) -> str:
    """The description of a missing key."""
    section = _section_at(location[:-1])
    field = section.model_fields.get(str(location[-1])) if section else None
    return wording.syntax.add_it(field.description) if field and field.description else "add it"


def _suggest(location: YamlPath) -> str:
    """The key that was probably meant, or all keys that are allowed here."""
    section = _section_at(location[:-1])
    known = list(section.model_fields) if section else []
    close = get_close_matches(str(location[-1])[:50], known, n=1)
    if close:
        return wording.syntax.did_you_mean(close[0])
    return wording.syntax.allowed_keys(", ".join(known)) if known else "remove it"


def _section_at(location: YamlPath) -> type[BaseModel] | None:
    """The model of the mapping at pydantic's location, in which the type of a trigger is a step."""
    section: type[BaseModel] | None = EphYaml
    for step in location:
        if section is None or isinstance(step, int):
            continue
        field = section.model_fields.get(step)
        section = _model_in(field.annotation) if field else _TRIGGERS.get(step)
        if field and step == "triggers":
            section = Section
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The one model in an annotation such as ``tuple[Service, ...]`` or ``Build | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = {model for part in get_args(annotation) if (model := _model_in(part)) is not None}
    return found.pop() if len(found) == 1 else None

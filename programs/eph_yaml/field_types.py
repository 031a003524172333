"""The value types that sections share. Each error says what to write instead."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue

from programs.eph_yaml import wording
from programs.eph_yaml.durations import Duration
from programs.eph_yaml.numbers import YamlFloat, YamlInt
from programs.eph_yaml.templates import MAX_TEMPLATE_LENGTH, parse_template
from programs.quoting import quote
from programs.settings import InvalidValue

MAX_TEXT_LENGTH = 4000
_DNS = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_RESERVED = re.compile(r"EPH_.*|PORT")
_URL_PATH = r"^/[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*$"
_CPU = r"^([0-9]{1,6}m|[0-9]{1,3}(\.[0-9]{1,3})?)$"
_MEMORY = r"^[0-9]{1,9}(Ki|Mi|Gi|Ti|K|M|G|T)$"


class Section(BaseModel):
    """A mapping in the file. Unknown keys are rejected, values aren't coerced, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _text(value: Any) -> Any:
    """Numbers become the text they were written as, so ``version: 15`` and ``1.10`` keep their meaning."""
    if isinstance(value, YamlInt | YamlFloat):
        return value.text
    if isinstance(value, bool):
        raise InvalidValue(wording.is_boolean(str(value).lower()), wording.USE_QUOTES)
    return value


def _check_text_length(value: str) -> str:
    if not value.strip():
        raise InvalidValue(wording.VALUE_MISSING, wording.ADD_VALUE)
    if len(value) > MAX_TEXT_LENGTH:
        raise InvalidValue(wording.text_too_long(len(value)), wording.use_at_most(MAX_TEXT_LENGTH))
    return value


def _name(value: str) -> str:
    if not re.fullmatch(_DNS, value) or len(value) > 30 or "--" in value:
        raise InvalidValue(wording.invalid_name(quote(value)), wording.NAME_CHARACTERS)
    return value


def check_repository_variable(value: str) -> str:
    """Returns the name if a repository may set that variable."""
    if not re.fullmatch(_VARIABLE, value) or len(value) > 100:
        raise InvalidValue(wording.invalid_variable(quote(value)), wording.VARIABLE_CHARACTERS)
    if _RESERVED.fullmatch(value):
        raise InvalidValue(wording.reserved_variable(quote(value)), wording.USE_OTHER_VARIABLE)
    return value


def repository_path(value: str) -> str:
    """A path that stays in the repository, whichever program reads it: git, psql, kubectl or a shell."""
    parts = value.split("/")
    if not value.strip() or len(value) > 300 or not value.isprintable():
        raise InvalidValue(wording.invalid_path(quote(value)), wording.PATH_EXAMPLE)
    if value.startswith(("/", "~")) or ".." in parts or "\\" in value or ":" in value:
        raise InvalidValue(wording.outside_of_repository(quote(value)), wording.USE_RELATIVE_PATH)
    if ".git" in (part.lower() for part in parts) or any(part.startswith("-") for part in parts):
        raise InvalidValue(wording.path_not_allowed(quote(value)), wording.PATH_RULES)
    return value


def _template(value: str) -> str:
    parse_template(value)
    return value


def is_url_path(text: str) -> bool:
    return re.fullmatch(_URL_PATH, text) is not None and len(text) <= 200


def _url_path(value: str) -> str:
    if not is_url_path(value):
        raise InvalidValue(wording.invalid_url_path(quote(value)), wording.URL_PATH_EXAMPLE)
    return value


def matches(pattern: str, description: str, expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise InvalidValue(wording.does_not_match(quote(value), description), expected)
        return value

    return AfterValidator(check)


Text = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_check_text_length),
    WithJsonSchema({"type": ["string", "number"], "minLength": 1}),
]
EnvValue = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number"]})]
ShellCommand = Annotated[str, AfterValidator(_check_text_length), WithJsonSchema({"type": "string", "minLength": 1})]
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": _DNS, "maxLength": 30})]
VariableName = Annotated[
    str, AfterValidator(check_repository_variable), WithJsonSchema({"type": "string", "pattern": _VARIABLE})
]
RepositoryPath = Annotated[str, AfterValidator(repository_path), WithJsonSchema({"type": "string", "maxLength": 300})]
MUST_EXIST = "must exist"
CommittedPath = Annotated[RepositoryPath, MUST_EXIST]
"""A file or folder of the commit. `eph validate` reports one that doesn't exist."""
Template = Annotated[
    str, AfterValidator(_template), WithJsonSchema({"type": "string", "maxLength": MAX_TEMPLATE_LENGTH})
]
URL_PATH_SCHEMA = {"type": "string", "pattern": _URL_PATH}
UrlPath = Annotated[str, AfterValidator(_url_path), WithJsonSchema({**URL_PATH_SCHEMA})]
Cpu = Annotated[
    Text,
    matches(_CPU, wording.CPU, wording.CPU_EXAMPLE),
    WithJsonSchema({"type": ["string", "number"], "examples": ["500m", "2"]}),
]
Memory = Annotated[
    Text,
    matches(_MEMORY, wording.MEMORY, wording.MEMORY_EXAMPLE),
    WithJsonSchema({"type": "string", "pattern": _MEMORY}),
]
Glob = Annotated[str, BeforeValidator(_text), AfterValidator(_check_text_length), Field(max_length=200)]
Env = dict[VariableName, EnvValue]


class CommandConfig(Section):
    """A shell command. Short form: the command as plain text."""

    command: ShellCommand = Field(description="A shell command, run in the root of the checkout.")
    timeout: Duration = Field(
        default=timedelta(minutes=10),
        description="The timeout. A command that takes longer is stopped and counts as failed.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"command": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> JsonSchemaValue:
        """Allows plain text in place of the mapping."""
        mapping = handler.resolve_ref_schema(handler(core_schema))
        return {"anyOf": [{"type": "string", "minLength": 1}, mapping], "description": mapping["description"]}

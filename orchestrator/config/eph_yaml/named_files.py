"""The files of the repository that an eph.yaml names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from programs.eph_yaml.field_types import MUST_EXIST

YamlPath = tuple[str | int, ...]


def named_files(section: BaseModel, path: YamlPath = ()) -> Iterator[tuple[YamlPath, str]]:
    """Every file or folder that must exist, with its place in eph.yaml."""
    for key, field in type(section).model_fields.items():
        marked = MUST_EXIST in field.metadata or any(_is_marked(part) for part in get_args(field.annotation))
        yield from _values(getattr(section, key), (*path, key), marked)


def _values(value: Any, path: YamlPath, marked: bool) -> Iterator[tuple[YamlPath, str]]:
    if isinstance(value, BaseModel):
        yield from named_files(value, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _values(item, (*path, index), marked)
    elif marked and isinstance(value, str):
        yield path, value


def _is_marked(annotation: Any) -> bool:
    return MUST_EXIST in getattr(annotation, "__metadata__", ())

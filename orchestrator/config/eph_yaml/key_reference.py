"""Every key of eph.yaml with its description: the reference page must contain them all and is checked against them."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from orchestrator.config.eph_yaml.models.document import EphYaml

SAME_AS = frozenset({"images"})
"""Keys whose content is described at another one."""


def documented_keys(section: type[BaseModel] = EphYaml, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Path and description of every key, once. ``[]`` is an item of a list, ``triggers[pr_label]`` one type of item."""
    for key, field in section.model_fields.items():
        path = f"{prefix}.{key}" if prefix else key
        yield path, field.description or ""
        if path in SAME_AS:
            continue
        for suffix, model in _nested_models(field.annotation):
            yield from documented_keys(model, path + suffix)


def _nested_models(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models in an annotation, each with its addition to the path."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
        return
    origin, parts = get_origin(annotation), [part for part in get_args(annotation) if part is not NoneType]
    if origin is Annotated:
        yield from _nested_models(parts[0])
    elif origin is tuple:
        for suffix, model in _nested_models(parts[0]):
            yield suffix or "[]", model
    elif origin in (Union, UnionType) and len(parts) > 1:
        for part in parts:
            kind = get_args(part.model_fields["type"].annotation)[0]
            yield f"[{kind}]", part
    elif origin in (Union, UnionType):
        yield from _nested_models(parts[0])

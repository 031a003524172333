"""What pulumi-aws's own classes say about a resource type: its inputs, their types, which are required, its outputs."""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

from pulumi import _types as sdk
from pulumi.runtime import rpc

UNKNOWN = rpc.UNKNOWN
"""On the wire, a value that isn't known before another resource exists, in a preview."""
Failure = tuple[str, str]


@cache
def resource_class(token: str) -> type[Any]:
    """``aws:s3/bucket:Bucket``"""
    package, path, name = token.split(":")
    found = getattr(importlib.import_module(f"pulumi_{package}.{path.split('/')[0]}"), name, None)
    if found is None or getattr(found, "pulumi_type", None) != token:
        raise LookupError(f"pulumi-aws has no resource type {token}")
    return typing.cast(type[Any], found)


@cache
def input_class(token: str) -> type[Any]:
    """Named ``…InitArgs`` where a nested value has the shorter name."""
    cls = resource_class(token)
    module = inspect.getmodule(cls)
    found = getattr(module, f"{cls.__name__}InitArgs", None) or getattr(module, f"{cls.__name__}Args")
    return typing.cast(type[Any], found)


@cache
def output_names(token: str) -> frozenset[str]:
    return frozenset(sdk.resource_types(resource_class(token)))


def _inputs(args: type[Any]) -> dict[str, tuple[Any, bool]]:
    """Type, and whether it is required, by the name that Pulumi uses."""
    names = sdk.input_type_py_to_pulumi_names(args)
    parameters = inspect.signature(args.__init__).parameters.items()
    required = {
        names.get(name, name) for name, one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty
    }
    return {name: (kind, name in required) for name, kind in sdk.input_type_types(args).items()}


@cache
def _known_inputs(module: str, name: str) -> dict[str, tuple[Any, bool]]:
    return _inputs(getattr(importlib.import_module(module), name))


def failures(args: type[Any], given: dict[str, Any], path: str = "") -> Iterator[Failure]:
    """Unknown inputs, missing ones, and values of another type, in nested values, too."""
    known = _known_inputs(args.__module__, args.__name__)
    for name in given:
        if name not in known and not name.startswith("__"):
            yield path + name, "pulumi-aws has no such input"
    for name, (kind, required) in known.items():
        if given.get(name) is not None:
            yield from _type_failures(kind, given[name], path + name)
        elif required:
            yield path + name, "is required"


def _type_failures(kind: Any, value: Any, path: str) -> Iterator[Failure]:
    kind = sdk.unwrap_type(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if value == UNKNOWN or value is None or kind is Any:
        return
    if origin is typing.Union:
        options = [option for option in arguments if option is not type(None)]
        if all(list(_type_failures(option, value, path)) for option in options):
            yield path, f"is none of {options}"
    elif origin in (list, collections.abc.Sequence):
        yield from _each(value, list, path, lambda index, item: _type_failures(arguments[0], item, f"{path}[{index}]"))
    elif origin in (dict, collections.abc.Mapping):
        yield from _each(value, dict, path, lambda key, item: _type_failures(arguments[1], item, f"{path}.{key}"))
    elif isinstance(kind, type) and sdk.is_input_type(kind):
        if isinstance(value, dict):
            yield from failures(kind, value, f"{path}.")
        else:
            yield path, f"must be an object, not {type(value).__name__}"
    else:
        yield from _scalar_failures(kind, value, path)


def _each(value: Any, kind: type[Any], path: str, check: Any) -> Iterator[Failure]:
    if not isinstance(value, kind):
        yield path, f"must be a {kind.__name__}, not {type(value).__name__}"
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from check(key, item)


def _scalar_failures(kind: Any, value: Any, path: str) -> Iterator[Failure]:
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (kind is int and value != int(value)):
            yield path, f"must be a number, not {type(value).__name__}"
    elif isinstance(kind, type) and not isinstance(value, kind):
        yield path, f"must be {kind.__name__}, not {type(value).__name__}"

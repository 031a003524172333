"""Parses texts, flags and choices without Pydantic.

Typer converts each parameter with Pydantic, and importing that takes as long as everything else that ``eph list`` does.
Whatever isn't simple, and every mistake, still goes to Typer's own conversion.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, get_args, get_origin


class QuickCommand:
    """Mixed into Typer's classes of commands and groups."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for parameter in self.params:  # type: ignore[attr-defined]  # of the class that this is mixed into
            _apply_to(parameter)

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]  # as above
        _apply_to(option)
        return option


def _apply_to(parameter: Any) -> None:
    descriptor = getattr(parameter, "type_descriptor", None)
    if descriptor is not None and getattr(parameter, "_runtime_param", parameter) is None:
        parameter._runtime_param = QuickParameter(descriptor)


class QuickParameter:
    """Has the one method of Typer's ``RuntimeParam`` that is called."""

    def __init__(self, descriptor: Any) -> None:
        self._descriptor = descriptor

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        converted = _convert(value, self._descriptor)
        if converted is not None:
            return converted
        from typer._coercion import build_runtime_param

        return build_runtime_param(self._descriptor).coerce(value, param, ctx)


def _convert(value: Any, descriptor: Any) -> Any:
    """None: not simple, or not valid."""
    annotation = descriptor.annotation
    if annotation is str or annotation is bool:
        return value if type(value) is annotation else None
    if annotation is int:
        return value if type(value) is int else None  # the default
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        typed = str(value) if descriptor.case_sensitive else str(value).lower()
        return next((member for member in annotation if member == typed), None)
    if get_origin(annotation) is list and get_args(annotation) == (str,) and isinstance(value, list | tuple):
        return list(value) if all(type(item) is str for item in value) else None
    return None

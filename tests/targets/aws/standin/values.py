"""Between Pulumi's property values and plain Python ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue

Properties = Mapping[str, PropertyValue]


def to_plain(value: Any) -> Any:
    """Whole numbers become ``int``: the protocol has floating-point numbers only."""
    inner = value.value if isinstance(value, PropertyValue) else value
    if isinstance(inner, Mapping):
        return {key: to_plain(item) for key, item in inner.items()}
    if isinstance(inner, (list, tuple)):
        return [to_plain(item) for item in inner]
    return int(inner) if isinstance(inner, float) and inner.is_integer() else inner


def plain_properties(properties: Properties) -> dict[str, Any]:
    return {name: to_plain(value) for name, value in properties.items()}


def to_property(value: Any) -> PropertyValue:
    if isinstance(value, dict):
        return PropertyValue({key: to_property(item) for key, item in value.items()})
    if isinstance(value, list):
        return PropertyValue([to_property(item) for item in value])
    return PropertyValue(float(value) if isinstance(value, int) and not isinstance(value, bool) else value)

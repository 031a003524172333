"""Numbers from eph.yaml that remember their text, for fields that expect a string."""

from __future__ import annotations


class YamlInt(int):
    """An integer that remembers how it was written (``version: 015``)."""

    text: str


class YamlFloat(float):
    """A float that remembers how it was written (``version: 1.10`` is not 1.1)."""

    text: str

"""The fields of a form that a page sent."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from fastapi import Request

Form = Mapping[str, str]


async def read_form(request: Request) -> Form:
    """The first value of each field; empty ones are left out."""
    found = parse_qs((await request.body()).decode(errors="replace"))
    return {key: values[0] for key, values in found.items()}

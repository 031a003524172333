"""The tags of a stack, in the format that Pulumi's own backends share: one JSON document next to the state.

Besides our tag (``stacks.tags``) it holds the variables that people set, split to fit. Both are in one document, so
one write replaces both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stacks import tags
from stacks.model import StackTag


def encode(found: StackTag, variables: str) -> str:
    """Raises ValueError if the tag is too long."""
    values = {tags.TAG_KEY: tags.encode(found), **tags.encode_variables(variables)}
    return json.dumps({"version": 1, "tags": values})


def parse(text: str | bytes) -> dict[str, Any] | None:
    """None for a corrupt document, with which Pulumi refuses to do anything."""
    try:
        found = json.loads(text)["tags"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def tag(found: Mapping[str, Any]) -> StackTag | None:
    """Our tag, if it is there and valid. ``tags.decode_variables`` reads the variables."""
    value = found.get(tags.TAG_KEY)
    return tags.decode(value) if isinstance(value, str) else None

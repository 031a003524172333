"""The tags of every resource (C2, T3). They are the only proof that a resource is ours.

``eph:server`` distinguishes this server from others in the account. ``eph:expires-at`` is written when an environment's
expiry changes; Pulumi ignores it, so an update doesn't revert it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from programs.spec import EnvironmentSpec

ENVIRONMENT = "Environment"
MANAGED_BY = "ManagedBy"
SERVER = "eph:server"
SERVICE = "eph:service"
REPLICAS = "eph:replicas"
EXPIRES_AT = "eph:expires-at"
IGNORED_PREFIXES = ("eph:expires",)
_MAX_KEY, _MAX_VALUE = 128, 256


def environment_tags(spec: EnvironmentSpec, server: str) -> dict[str, str]:
    """The tags of everything in one environment. Values are sanitized, because a branch name can contain anything."""
    own = {ENVIRONMENT: spec.name, MANAGED_BY: "eph", SERVER: server}
    return {key[:_MAX_KEY]: tag_value(value) for key, value in {**spec.marks, **own}.items()}


def tag_value(text: str) -> str:
    """Text with only the characters that every service accepts in a tag."""
    return re.sub(r"[^A-Za-z0-9 _.:/=+@-]", "-", text)[:_MAX_VALUE].strip()


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def from_list(tags: list[dict[str, str]]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in tags}


def from_list_lower(tags: list[dict[str, str]]) -> dict[str, str]:
    """As ECS writes them."""
    return {item["key"]: item["value"] for item in tags}

"""Names of AWS resources: one form that every service accepts.

``eph-<environment>-<parts>-<hash>``: lowercase letters, digits and single dashes, starting with a letter and ending
with a letter or digit. The hash covers everything, the server included, so names that were cut still differ, and so do
those of two servers in one account.
"""

from __future__ import annotations

import hashlib
import re

PREFIX = "eph"
RDS = BUCKET = 63
TARGET_GROUP = LOAD_BALANCER = 32
IAM_ROLE = 64
QUEUE = 80
OTHER = 120
"""The longest name that each service accepts; OTHER is ours, for services that accept at least 255 characters."""
_HASH_DIGITS = 8


def resource_name(limit: int, server: str, environment: str, *parts: str) -> str:
    digest = hashlib.sha256("\0".join([server, environment, *parts]).encode()).hexdigest()[:_HASH_DIGITS]
    text = re.sub(r"[^a-z0-9]+", "-", "-".join([PREFIX, environment, *parts]).lower()).strip("-")
    return f"{text[: limit - len(digest) - 1].rstrip('-')}-{digest}"


def environment_of(name: str, limit: int, server: str) -> str:
    """The environment of a resource that ``resource_name`` named with one part; empty if it isn't this server's, or the
    name was cut."""
    words = name.rpartition("-")[0].removeprefix(f"{PREFIX}-").split("-")
    for count in range(1, len(words)):
        environment, part = "-".join(words[:count]), "-".join(words[count:])
        if resource_name(limit, server, environment, part) == name:
            return environment
    return ""


def iam_path(server: str) -> str:
    """The path of this server's roles. IAM can't be searched by tag, but it can be by path."""
    return f"/eph/{re.sub(r'[^A-Za-z0-9-]+', '-', server)[:60].strip('-') or 'server'}/"


def log_group(server: str, environment: str) -> str:
    return f"/eph/{resource_name(OTHER, server, environment)}"

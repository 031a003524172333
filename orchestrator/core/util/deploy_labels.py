"""Normalizes and validates the label of a deploy, which becomes the first part of a host name."""

from __future__ import annotations

import re

from orchestrator.core import wording

MAX_LENGTH = 40
RESERVED = frozenset(
    {"admin", "api", "app", "assets", "auth", "cdn", "eph", "localhost", "mail", "static", "status", "www"}
)


class InvalidLabel(ValueError):
    """The message says what is wrong with the label and what to use instead."""


def normalize(label: str) -> str:
    """Lowercase letters, digits and single dashes: ``Feature/New_Cart`` becomes ``feature-new-cart``."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def validate(label: str, active_branch: str) -> str:
    """The normalized label. Raises InvalidLabel. It isn't cut, because two long labels would become the same one."""
    name = normalize(label)
    if not name:
        raise InvalidLabel(wording.desired.label_without_letter(label))
    if len(name) > MAX_LENGTH:
        raise InvalidLabel(wording.desired.label_too_long(name, MAX_LENGTH))
    if name in RESERVED:
        raise InvalidLabel(wording.desired.label_reserved(name))
    if name == normalize(active_branch):
        raise InvalidLabel(wording.desired.label_of_active_version(name))
    return name

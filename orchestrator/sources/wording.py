"""Why a source has nothing to offer."""

from __future__ import annotations


def recipe_missing(file: str) -> str:
    return f"{file} is missing in this commit; add one (`eph init` creates it) or remove the label"


def recipe_unreadable(branch: str, reason: str) -> str:
    return f"eph.yaml of {branch} could not be read: {reason}"


LIST_INCOMPLETE = "the list was incomplete"


def too_many_refs(repository: str, count: int, limit: int) -> str:
    return f"{repository}: {count} branches and tags match; only {limit} are used (limits.refs)"

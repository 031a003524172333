"""Names of an environment's parts outside Eph. All start with its name, which no other environment has."""

from __future__ import annotations

import hashlib
import json

from programs.kit import identifiers
from programs.kit.identifiers import MAX_POSTGRES_NAME

SEPARATOR = "__"
"""Environment names contain no underscores, so this ends them unambiguously."""
FOLDER = ".eph"
"""In Airflow's DAG folder: everything of Eph's but the wrappers."""


def prefix(environment: str) -> str:
    """Of the IDs of its DAGs and connections."""
    return f"{identifiers.check_label(environment, 'environment')}{SEPARATOR}"


def environment_of(identifier: str) -> str:
    """The environment of a DAG or a connection. Empty if it can't be one's."""
    name, separator, _ = identifier.partition(SEPARATOR)
    return name if separator and identifiers.LABEL.fullmatch(name) else ""


def owner_tag(server: str) -> str:
    """Marks the DAGs and connections of one Eph."""
    return f"eph:{server}"


def generation_tag(generation: str) -> str:
    return f"commit:{generation}"


def wrapper(environment: str) -> str:
    return f"eph__{identifiers.check_label(environment, 'environment')}.py"


def schema(environment: str) -> str:
    """Of its schema and role in PostgreSQL, or its database file."""
    suffix = "_" + hashlib.sha256(environment.encode()).hexdigest()[:10]
    return f"eph_{environment.replace('-', '_')}"[: MAX_POSTGRES_NAME - len(suffix)] + suffix


def note(environment: str, server: str) -> str:
    """The comment that marks what belongs to an environment."""
    return json.dumps({"eph": server, "environment": environment})


def parse_note(text: str | None, server: str) -> str:
    """The environment. Empty if it isn't a comment of this Eph's."""
    try:
        data = json.loads(text or "")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict) or data.get("eph") != server:
        return ""
    return str(data.get("environment", ""))

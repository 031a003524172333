"""Names of databases on a server that environments of different owners share.

Roles of one server can list the names of all databases. Therefore a name reveals nothing about the environment, whose
name is half of its URL: it is a digest, which can be recomputed from the environment's name.
"""

from __future__ import annotations

import hashlib

from programs.spec import DatabaseSpec


def environment_digest(environment: str) -> str:
    return hashlib.sha256(environment.encode()).hexdigest()[:16]


def database_name(environment: str, spec: DatabaseSpec) -> str:
    """The name depends on the seed: another source is another database."""
    seed = spec.seed.run if spec.seed else ""
    key = "\0".join([environment_digest(environment), spec.name, spec.strategy, spec.source, seed, *spec.scripts])
    return f"eph_{environment_digest(environment)}_{hashlib.sha256(key.encode()).hexdigest()[:10]}"

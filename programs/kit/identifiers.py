"""Names on one machine, all derived from the environment's name, each valid for what it names.

An environment's name is a DNS label, so a dot separates it unambiguously from what follows, and no derived name can
start with a dash or leave its folder.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from programs.kit import wording
from programs.kit.errors import TargetError
from programs.spec import DatabaseSpec, EnvironmentSpec

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
MAX_POSTGRES_NAME = 63


@dataclass(frozen=True, slots=True)
class ProgramName:
    """A process that supervisord manages: a service of one generation of an environment."""

    environment: str
    service: str
    generation: str

    def __str__(self) -> str:
        return f"{self.environment}.{self.service}.{self.generation}"


def parse_program(text: str) -> ProgramName | None:
    """The parts of a program's name, or None if it isn't an environment's."""
    parts = text.split(".")
    return ProgramName(*parts) if len(parts) == 3 else None


def check_label(text: str, what: str) -> str:
    """Returns the text if it can name a folder, a process and a host."""
    if not LABEL.fullmatch(text):
        raise TargetError(wording.invalid_label(what, text))
    return text


def check_variable(text: str, what: str) -> str:
    """Returns the text if it can name an environment variable."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", text):
        raise TargetError(wording.invalid_variable(what, text))
    return text


def check_commit(text: str) -> str:
    if not COMMIT.fullmatch(text):
        raise TargetError(wording.invalid_commit(text))
    return text


def check_host(text: str) -> str:
    if not HOST.fullmatch(text):
        raise TargetError(wording.invalid_host(text))
    return text


def service_host(spec: EnvironmentSpec, service: str) -> str:
    """``<host>`` for the first public service, ``<service>--<host>`` for the others."""
    first = next((item.name for item in spec.services if item.public), "")
    return check_host(spec.host if service == first else f"{service}--{spec.host}")


def generation(spec: EnvironmentSpec, version: str) -> str:
    """Twelve digits of the commit, then six of a hash over everything else that affects the build."""
    rest = hashlib.sha256(f"{version} {spec.digest}".encode()).hexdigest()[:6]
    return f"{check_commit(spec.source.commit)[:12]}-{rest}"


def database_name(environment: str, spec: DatabaseSpec) -> str:
    """The name of a database and of its role. It depends on the seed, so a new seed gives a new database."""
    seed = spec.seed.run if spec.seed else ""
    source = [f"from {spec.source}"] if spec.source else []
    key = "\0".join([environment, spec.name, spec.strategy, seed, *spec.scripts, *source])
    suffix = "_" + hashlib.sha256(key.encode()).hexdigest()[:10]
    slug = re.sub(r"[^a-z0-9]+", "_", f"eph_{environment}_{spec.name}".lower())
    return slug[: MAX_POSTGRES_NAME - len(suffix)].rstrip("_") + suffix


def server_id(root: str) -> str:
    """Distinguishes this server's databases from those of another server on the same PostgreSQL."""
    return hashlib.sha256(root.encode()).hexdigest()[:12]

"""Names within one machine, all made from the environment's name, each legal for what it names.

An environment's name is a DNS label, so a dot separates it safely from what follows it, and no name made here can
start with a dash or leave its folder.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from programs.kit.errors import TargetError
from programs.spec import DatabaseSpec, EnvironmentSpec

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
MAX_POSTGRES_NAME = 63


@dataclass(frozen=True, slots=True)
class ProgramName:
    """One process that supervisord looks after: a service of a generation of an environment."""

    environment: str
    service: str
    generation: str

    def __str__(self) -> str:
        return f"{self.environment}.{self.service}.{self.generation}"


def parse_program(text: str) -> ProgramName | None:
    """The parts of a program's name, or None when it is not an environment's."""
    parts = text.split(".")
    return ProgramName(*parts) if len(parts) == 3 else None


def check_label(text: str, what: str) -> str:
    """The text itself, when it may name a folder, a process and a host."""
    if not LABEL.fullmatch(text):
        raise TargetError(f"{what} {text!r} must be 1 to 63 lower-case letters, digits and dashes, no dash at the ends")
    return text


def check_variable(text: str, what: str) -> str:
    """The text itself, when it may name an environment variable."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", text):
        raise TargetError(f"{what} {text!r} must be letters, digits and underscores, no digit first")
    return text


def check_commit(text: str) -> str:
    if not COMMIT.fullmatch(text):
        raise TargetError(f"commit {text!r} must be a full hexadecimal id of 40 or 64 digits")
    return text


def check_host(text: str) -> str:
    if not HOST.fullmatch(text):
        raise TargetError(f"host {text!r} must be a host name of lower-case labels, each at most 63 characters")
    return text


def service_host(spec: EnvironmentSpec, service: str) -> str:
    """The environment's host for its first public service, ``<service>--<host>`` for the others."""
    first = next((item.name for item in spec.services if item.public), "")
    return check_host(spec.host if service == first else f"{service}--{spec.host}")


def url_variable(service: str) -> str:
    """The variable in which the other services find this one."""
    return re.sub(r"[^A-Z0-9]", "_", service.upper()) + "_URL"


def generation(spec: EnvironmentSpec, version: str) -> str:
    """Twelve digits of the commit, and six of everything else that decides what is built."""
    rest = hashlib.sha256(f"{version} {spec.digest}".encode()).hexdigest()[:6]
    return f"{check_commit(spec.source.commit)[:12]}-{rest}"


def database_name(environment: str, spec: DatabaseSpec) -> str:
    """The name of a database and of its role. What it is filled with counts: a new seed is a new database."""
    seed = spec.seed.run if spec.seed else ""
    source = [f"from {spec.source}"] if spec.source else []
    key = "\0".join([environment, spec.name, spec.strategy, seed, *spec.scripts, *source])
    suffix = "_" + hashlib.sha256(key.encode()).hexdigest()[:10]
    slug = re.sub(r"[^a-z0-9]+", "_", f"eph_{environment}_{spec.name}".lower())
    return slug[: MAX_POSTGRES_NAME - len(suffix)].rstrip("_") + suffix


def server_id(root: str) -> str:
    """Tells the databases of this server from those of another one that uses the same PostgreSQL."""
    return hashlib.sha256(root.encode()).hexdigest()[:12]

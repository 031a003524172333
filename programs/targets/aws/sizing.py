"""How large an environment's parts are: the one place that decides (C1, T3). Pure.

``ephemeral`` is the smallest that works, ``full`` resembles production. The server sets the largest allowed size; a
request beyond it is an error that names the limit, never a silent reduction.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from programs.spec import EnvironmentSpec, ServiceSpec
from programs.targets.aws import wording
from programs.targets.aws.errors import AwsError

SIZE_NAMES = ("ephemeral", "full")
_UNITS_PER_CPU = 1024
_MEBIBYTE = 1024**2
_BYTES = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "Ti": 1024**4, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class EnvironmentSize:
    """``cpu`` (in units of 1/1024) and ``memory_mib`` are the defaults of a service."""

    name: str
    cpu: int
    memory_mib: int
    replicas: int
    instance_class: str
    storage_gb: int
    backup_days: int


SIZES = {
    "ephemeral": EnvironmentSize("ephemeral", 256, 512, 1, "db.t4g.micro", 20, 0),
    "full": EnvironmentSize("full", 1024, 2048, 3, "db.m6g.large", 500, 7),
}


@dataclass(frozen=True, slots=True, order=True)
class FargateSize:
    cpu: int
    memory_mib: int


def _fargate_sizes() -> tuple[FargateSize, ...]:
    """Fargate's valid combinations, smallest first."""
    gibibytes: dict[int, Iterable[int]] = {
        512: range(1, 5),
        1024: range(2, 9),
        2048: range(4, 17),
        4096: range(8, 31),
        8192: range(16, 61, 4),
        16384: range(32, 121, 8),
    }
    smallest = [FargateSize(256, mib) for mib in (512, 1024, 2048)]
    return (*smallest, *(FargateSize(cpu, gib * 1024) for cpu, sizes in gibibytes.items() for gib in sizes))


FARGATE_SIZES = _fargate_sizes()


def environment_size(requested: str, largest: str) -> EnvironmentSize:
    if requested not in SIZES:
        raise AwsError(wording.unknown_size(requested, ", ".join(SIZE_NAMES)))
    if SIZE_NAMES.index(requested) > SIZE_NAMES.index(largest):
        raise AwsError(wording.size_not_allowed(requested, largest))
    return SIZES[requested]


def fargate_size(cpu: int, memory_mib: int) -> FargateSize:
    """The smallest valid combination with at least these amounts."""
    for size in FARGATE_SIZES:
        if size.cpu >= cpu and size.memory_mib >= memory_mib:
            return size
    largest = FARGATE_SIZES[-1]
    largest_cpus = largest.cpu // _UNITS_PER_CPU
    raise AwsError(wording.task_too_large(cpu / _UNITS_PER_CPU, memory_mib, largest_cpus, largest.memory_mib))


def service_size(service: ServiceSpec, size: EnvironmentSize) -> FargateSize:
    """What the service requests, or the default of the environment's size."""
    cpu = parse_cpu(service.resources["cpu"]) if "cpu" in service.resources else size.cpu
    memory = parse_memory(service.resources["memory"]) if "memory" in service.resources else size.memory_mib
    return fargate_size(cpu, memory)


def check_limits(spec: EnvironmentSpec, size: EnvironmentSize, limits: Mapping[str, str]) -> None:
    """``limits`` are the server's ``cpu`` and ``memory`` for a whole environment; eph.yaml can set less."""
    parsers = {"cpu": parse_cpu, "memory": parse_memory}
    for what, parse in parsers.items():
        requested = spec.resources.get(what)
        if requested and parse(requested) > parse(limits[what]):
            raise AwsError(wording.above_server_limit(what, requested, limits[what]))
    sizes = [service_size(item, size) for item in spec.services]
    totals = {"cpu": sum(item.cpu for item in sizes), "memory": sum(item.memory_mib for item in sizes)}
    for what, parse in parsers.items():
        limit = spec.resources.get(what) or limits[what]
        total = totals[what] * size.replicas
        if total > parse(limit):
            amount = wording.cpu_amount(total / _UNITS_PER_CPU) if what == "cpu" else wording.memory_amount(total)
            raise AwsError(wording.above_environment_limit(amount, limit))


def parse_cpu(text: str) -> int:
    """``500m`` or ``2`` in units of 1/1024 CPU, rounded up."""
    cpus = Decimal(text[:-1]) / 1000 if text.endswith("m") else Decimal(text)
    return math.ceil(cpus * _UNITS_PER_CPU)


def parse_memory(text: str) -> int:
    """``512Mi`` or ``2G`` in MiB, rounded up."""
    match = re.fullmatch(r"([0-9]+)([KMGT]i?)", text)
    if match is None:
        raise AwsError(wording.not_an_amount(text))
    return -(-int(match[1]) * _BYTES[match[2]] // _MEBIBYTE)

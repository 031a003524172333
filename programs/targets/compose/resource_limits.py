"""Divides the limits of an environment among its services, so that all of them together never exceed these.

A service keeps what its file sets. The others share the rest equally.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from programs.kit.errors import TargetError
from programs.kit.host_settings import MEGABYTE
from programs.targets.compose import wording
from programs.targets.compose.settings import ComposeHost

MIN_MEMORY = 16 * MEGABYTE
MIN_CPU = Fraction(1, 100)
MIN_PIDS = 16
_UNITS: dict[str, int] = {
    **{unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
    **{unit: 1000**power for power, unit in enumerate(("K", "M", "G", "T"), 1)},
}


@dataclass(frozen=True, slots=True)
class Limits:
    """``memory`` in bytes, ``cpu`` in CPUs."""

    memory: int
    cpu: float
    pids: int


def parse_memory(text: str) -> int:
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return int(text.removesuffix(unit)) * factor
    return int(text)


def parse_cpu(text: str) -> Fraction:
    return Fraction(text.removesuffix("m")) / 1000 if text.endswith("m") else Fraction(text)


def total(host: ComposeHost, resources: Mapping[str, str]) -> tuple[int, Fraction]:
    """The memory and CPU of an environment. ``resources``: what eph.yaml requests, at most the server's limits."""
    memory, cpu = parse_memory(host.memory), parse_cpu(host.cpu)
    wanted_memory = parse_memory(resources.get("memory") or host.memory)
    wanted_cpu = parse_cpu(resources.get("cpu") or host.cpu)
    for what, wanted, most in (("memory", wanted_memory, memory), ("cpu", wanted_cpu, cpu)):
        if wanted > most:
            raise TargetError(wording.above_server_limit(what, resources[what], getattr(host, what)))
    return wanted_memory, wanted_cpu


def divide(
    services: Mapping[str, Mapping[str, Any]], host: ComposeHost, resources: Mapping[str, str], machine_cpus: int
) -> dict[str, Limits]:
    """By service. Raises if the file requests more than there is. An engine refuses more CPUs than its machine has."""
    memory, cpu = total(host, resources)
    memories = _shares("memory", {name: _memory(item) for name, item in services.items()}, memory, MIN_MEMORY)
    cpus = _shares("CPU", {name: _cpu(item) for name, item in services.items()}, cpu, MIN_CPU)
    pids = _shares("processes", {name: _pids(item) for name, item in services.items()}, host.pids, MIN_PIDS)
    return {
        name: Limits(int(memories[name]), round(min(float(cpus[name]), float(machine_cpus)), 3), int(pids[name]))
        for name in services
    }


def _shares(
    what: str, wanted: Mapping[str, int | Fraction | None], most: int | Fraction, least: int | Fraction
) -> dict[str, Fraction]:
    fixed = {name: Fraction(amount) for name, amount in wanted.items() if amount}
    used = sum(fixed.values(), start=Fraction(0))
    rest = [name for name in wanted if name not in fixed]
    share = Fraction(most - used) / len(rest) if rest else Fraction(0)
    if used > most or (rest and share < least):
        raise TargetError(wording.services_request_too_much(_format(what, used), _format(what, most), bool(rest)))
    return {name: fixed.get(name, share) for name in wanted}


def _format(what: str, amount: int | Fraction) -> str:
    if what == "memory":
        return wording.mebibytes(float(amount) / MEGABYTE)
    return f"{float(amount):g} {what}"


def _limit(service: Mapping[str, Any], key: str) -> Any:
    return (((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}).get(key)


def _memory(service: Mapping[str, Any]) -> int | None:
    found = _limit(service, "memory") or service.get("mem_limit")
    return max(int(found), 0) if found else None


def _cpu(service: Mapping[str, Any]) -> Fraction | None:
    found = _limit(service, "cpus") or service.get("cpus")
    return max(Fraction(str(found)), Fraction(0)) if found else None


def _pids(service: Mapping[str, Any]) -> int | None:
    found = _limit(service, "pids") or service.get("pids_limit")
    return int(found) if found and int(found) > 0 else None

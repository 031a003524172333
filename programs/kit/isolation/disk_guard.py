"""Ends environments that use more disk than their limit: ``python -m programs.kit.isolation.disk_guard ROOT``.

One process serves all environments. It measures them one after the other and rests in between, so that it takes a
twentieth of one core at most. Its priority is normal, because an environment must not delay it by keeping the CPU busy.
If the free space shrinks quickly, it doesn't rest. So an environment can exceed its limit for some seconds; a single
file can't exceed 4 GB (``launch.py``).
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from programs.kit import host_settings, identifiers
from programs.kit.build_cache import archives
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import disk, namespaces
from programs.kit.processes import program_files, supervisor

REST = 20.0
"""For each second of CPU that measuring took."""
SHORTEST_REST, LONGEST_REST = 1.0, 60.0
HURRY = 0.1
"""The share of the limit by which free space may shrink before all environments are measured without a rest."""
log = logging.getLogger("eph.disk")


class DiskGuard:
    """Waits with ``sleep``, and sleeps no longer than a second at a time."""

    def __init__(self, settings: HostSettings, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings = settings
        self._sleep = sleep

    def round(self) -> None:
        """Measures every environment once, and collects build caches."""
        free, began = self._free_bytes(), _cpu_seconds()
        records = sorted(self._settings.envs.glob("*/run/domain.json"))
        databases = disk.database_bytes(self._settings) if records else {}
        self._rest(free, _cpu_seconds() - began)
        for record in records:
            began = _cpu_seconds()
            environment = record.parents[1].name
            try:
                self._check(environment, record, databases.get(environment, 0))
            except (OSError, TargetError) as error:
                log.warning("%s: %s", environment, error)
            self._rest(free, _cpu_seconds() - began)
        archives.collect(self._settings, time.time())

    def _check(self, environment: str, record: Path, in_databases: int) -> None:
        if not namespaces.members(str(record), ("net",)):
            return
        used = disk.folder_bytes(self._settings.env(environment)) + disk.deleted_bytes(record) + in_databases
        if used > self._settings.disk_bytes:
            log.warning("%s uses %d bytes of disk, more than its limit: it ends", environment, used)
            disk.mark(self._settings, environment, used)
            self._end(environment, str(record))

    def _end(self, environment: str, record: str) -> None:
        """First kills what writes, because stopping takes seconds. supervisord restarts services until they're
        suspended, so it kills once more."""
        keeper = int(namespaces.read(record)["pid"])
        namespaces.end_members(record, keep=keeper)
        found = map(identifiers.parse_program, program_files.list_programs(self._settings))
        own = [str(program) for program in found if program and program.environment == environment]
        supervisor.suspend(self._settings, own)
        namespaces.end_members(record, keep=keeper)

    def _rest(self, free: int, seconds: float) -> None:
        until = time.monotonic() + min(LONGEST_REST, max(SHORTEST_REST, REST * seconds))
        while time.monotonic() < until and free - self._free_bytes() < self._settings.disk_bytes * HURRY:
            self._sleep(0.2)

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._settings.root).free


def _cpu_seconds() -> float:
    """Of this process and of du. On a busy machine, measuring takes longer than it costs."""
    return sum(os.times()[:4])


def main(root: str) -> None:
    while True:
        try:
            DiskGuard(host_settings.load(root)).round()
        except (OSError, TargetError) as error:  # such as a database server that restarts
            log.warning("%s", error)
            time.sleep(SHORTEST_REST)


if __name__ == "__main__":
    main(sys.argv[1])

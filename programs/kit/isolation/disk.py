"""How much disk an environment uses, and the mark of one that used too much.

File systems without quotas can't bound a folder, so ``disk_guard`` measures and ends what exceeds the limit. A mark
stays until a measurement finds less: with it, nothing of the environment starts.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from programs.kit import files
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import namespaces, wording

BLOCK = 512
FILE_BYTES = 4096
"""What each file counts at least, because file systems run out of files, too."""


def mark(settings: HostSettings, environment: str, used: int) -> None:
    files.write(_mark(settings, environment), str(used))


def check(settings: HostSettings, environment: str) -> None:
    """Raises if the environment was ended for its disk usage and still uses too much."""
    path = _mark(settings, environment)
    if not path.exists():
        return
    used = folder_bytes(settings.env(environment)) + database_bytes(settings).get(environment, 0)
    if used > settings.disk_bytes:
        raise _over(settings, used)
    path.unlink(missing_ok=True)


def explain_end(settings: HostSettings, environment: str) -> None:
    """Raises if disk usage is why something of the environment has just ended."""
    path = _mark(settings, environment)
    if path.exists():
        raise _over(settings, int(path.read_text()))


def folder_bytes(folder: Path) -> int:
    size, number = usage(folder)
    return max(size, number * FILE_BYTES)


def usage(*folders: Path) -> tuple[int, int]:
    """The size of everything in these folders, and the number of files. Hard links count once, other file systems don't
    count. du walks trees of any depth; Python's own walk doesn't."""
    return _du(folders, "--block-size=1"), _du(folders, "--inodes")


def deleted_bytes(record: Path) -> int:
    """The size of files that have no name any more, but that a process of the domain still has open."""
    device, found = record.stat().st_dev, {}
    for pid in namespaces.members(str(record), ("net",)):
        for status in _open_files(pid):
            # Those of other file systems are in memory, which has its own limit.
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0 and status.st_dev == device:
                found[status.st_ino] = status.st_blocks * BLOCK
    return sum(found.values())


def database_bytes(settings: HostSettings) -> dict[str, int]:
    """The size of each environment's databases."""
    from programs.kit.database import environment_databases

    return environment_databases.sizes(settings)


def _mark(settings: HostSettings, environment: str) -> Path:
    return settings.env(environment) / "run" / "disk"


def _over(settings: HostSettings, used: int) -> TargetError:
    return TargetError(wording.disk_full(_gigabytes(used), _gigabytes(settings.disk_bytes)))


def _du(folders: Iterable[Path], what: str) -> int:
    """What du can't read doesn't count. As root, that's nothing."""
    command = ["du", "--summarize", "--total", "--one-file-system", what, "--", *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return int(lines[-1].split()[0]) if lines else 0


def _open_files(pid: int) -> Iterator[os.stat_result]:
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - pathlib follows the link
            yield os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116 - as above
    except OSError:
        return


def _gigabytes(size: int) -> str:
    return f"{size / 1024**3:.1f} GB"

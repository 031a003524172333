"""A user of its own outside for each environment's processes and files, if Eph runs as root.

The numbers have no names on the machine. Each is reserved by a file, so it survives restarts. Without root, all
environments share Eph's own user.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from programs.kit import files, trees
from programs.kit.errors import TargetError
from programs.kit.host_settings import HostSettings
from programs.kit.isolation import wording

MAX_USERS = 60_000


def reserve(settings: HostSettings, environment: str) -> int:
    """The environment's user. Without root it is Eph's own."""
    if os.geteuid() != 0:
        return os.geteuid()
    with files.locked(_folder(settings) / "lock"):
        reserved = list_reserved(settings)
        if environment in reserved:
            return reserved[environment]
        taken = set(reserved.values())
        for uid in range(settings.first_uid, settings.first_uid + MAX_USERS):
            if uid not in taken:
                files.write(_folder(settings) / environment, str(uid))
                return uid
    raise TargetError(wording.users_taken(MAX_USERS, settings.first_uid))


def list_reserved(settings: HostSettings) -> dict[str, int]:
    """The user of each environment that has one."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for path in _folder(settings).iterdir():
            if path.name != "lock" and not path.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    found[path.name] = int(path.read_text())
    return found


def release(settings: HostSettings, environment: str) -> None:
    """Only after the environment's files are gone, because the next environment may get the number."""
    (_folder(settings) / environment).unlink(missing_ok=True)


def give(tree: Path, uid: int) -> None:
    """Makes the user the owner of a tree, even while hostile processes exchange its folders for links."""
    if os.geteuid() != 0:
        return
    trees.change_owner(tree, uid)


def _folder(settings: HostSettings) -> Path:
    return settings.root / "uids"

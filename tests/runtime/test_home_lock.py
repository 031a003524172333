"""The server's home belongs to its user alone. S4."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from orchestrator.runtime.server.home_lock import lock_home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_others_cannot_list_a_home(tmp_path: Path) -> None:
    """Neither a new one nor one of an earlier version. Root's home can be passed through, but not listed."""
    old = tmp_path / "old"
    old.mkdir(mode=0o755)
    for home in (old, tmp_path / "new"):
        with lock_home(home):
            assert mode(home) == (0o711 if os.geteuid() == 0 else 0o700)

"""Python for programs of Eph's own that run in an environment's sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROGRAM = os.path.realpath(sys.executable)
"""A virtual environment isn't visible in the sandbox."""


def shown() -> tuple[Path, ...]:
    """What the sandbox has to show, so that it starts."""
    folder = Path(sys.base_prefix)
    return () if folder.is_relative_to("/usr") else (folder,)

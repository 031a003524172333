"""Puts the tests' language host on a machine, under the names that Pulumi looks for."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def install(folder: Path) -> None:
    shutil.copy(Path(__file__).with_name("language_host.py"), folder)
    for name in ("python", "nodejs", "go"):
        wrapper = folder / f"pulumi-language-{name}"
        wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -B {folder}/language_host.py {name} "$@"\n')
        wrapper.chmod(0o755)

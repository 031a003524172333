"""A separate Python environment that sees everything installed in this one: what a reader of the docs works in."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")


@dataclass(frozen=True, slots=True)
class ScratchEnvironment:
    folder: Path

    @property
    def _python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """``pip``, ``pytest`` and ``eph`` as they would run in this environment. Nothing is downloaded."""
        name, *words = command
        module = {"pip": ("pip",), "pytest": ("pytest",), "eph": ("orchestrator.cli.main",)}[name]
        offline = OFFLINE if name == "pip" else ()
        line = [str(self._python), "-m", *module, *words, *offline]
        return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False)


def create(folder: Path) -> ScratchEnvironment:
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    everything = sysconfig.get_path("purelib")
    (site / "everything.pth").write_text(f"import site; site.addsitedir({everything!r})\n")
    return ScratchEnvironment(folder)


def copy_of(source: Path, place: Path) -> Path:
    """Building a package writes next to its files."""
    return Path(shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__")))

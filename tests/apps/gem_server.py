"""A gem server with the gems that Debian's packages installed on this machine.

It comes with the lock file that Bundler writes, as developers commit it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.apps import package_index, recipe_site
from tests.apps.package_index import PackageIndex

_GEMS = ("rails", "pg", "puma")
_PACK = Path(__file__).with_name("pack_gems.rb")


@dataclass(frozen=True, slots=True)
class GemServer:
    index: PackageIndex
    lock: str

    @property
    def downloads(self) -> list[str]:
        """Every gem that was downloaded."""
        return [url for url in self.index.requested if url.endswith(".gem")]


def is_rails_installed() -> bool:
    if not all(map(shutil.which, ("bundle", "dpkg-query"))):
        return False
    requires = "; ".join(f"gem '{name}'" for name in _GEMS)
    return subprocess.run(["ruby", "-e", requires], capture_output=True).returncode == 0


@contextlib.contextmanager
def gem_server(app: str) -> Iterator[GemServer]:
    with tempfile.TemporaryDirectory(prefix="eph-gems-") as name:
        folder = Path(name)
        packing = subprocess.run(["ruby", str(_PACK), str(folder), *_GEMS], capture_output=True, text=True)
        assert packing.returncode == 0, packing.stderr

        def read(path: str) -> bytes | None:
            file = folder / path.lstrip("/")
            return file.read_bytes() if file.is_file() else None

        with package_index.package_index(read, {"BUNDLE_MIRROR__ALL": package_index.URL}) as index:
            yield GemServer(index, _lock(recipe_site.APPS / app, folder / "app", index))


def _lock(app: Path, work: Path, index: PackageIndex) -> str:
    """Bundler's lock file, with the public server as its source."""
    work.mkdir()
    shutil.copy(app / "Gemfile", work)
    env = {**os.environ, **index.env, "http_proxy": index.proxy_url, "HOME": str(work), "BUNDLE_PATH": "vendor/bundle"}
    made = subprocess.run(["bundle", "lock"], cwd=work, env=env, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return (work / "Gemfile.lock").read_text()

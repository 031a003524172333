"""The row about build caches: the same build in a first, a second and a third environment of a repository.

The packages are source distributions in a folder of this machine, so the row needs no package index. pip builds a wheel
of each, and keeps it in its cache.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

from programs.kit import files
from programs.kit.build_cache import archives, builds
from programs.kit.build_cache.builds import BuildSource
from programs.kit.host_settings import MEGABYTE
from programs.kit.isolation import domains, users
from programs.kit.processes.command_runner import CommandRun
from programs.kit.processes.sandbox import Workspace
from programs.targets.local import cleanup
from programs.targets.local import settings as local_settings
from programs.targets.local.settings import LocalSettings
from programs.targets.local.target import TARGET
from programs.targets.local.v1.places import HomeProvider
from tests.bench.rows import Figure, Row, seconds
from tests.bench.sizes import Size
from tests.bench.systems import temporary_folder

REPOSITORY = BuildSource("1")
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import pathlib, zipfile
NAME, VERSION = {name!r}, "1.0"
METADATA = f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    made, about = f"{{NAME}}-{{VERSION}}-py3-none-any.whl", f"{{NAME}}-{{VERSION}}.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, made), "w") as wheel:
        wheel.writestr(f"{{NAME}}.py", "")
        wheel.writestr(f"{{about}}/METADATA", METADATA)
        wheel.writestr(f"{{about}}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{{about}}/RECORD", "")
    return made
"""


async def build_cache(size: Size) -> Row:
    with temporary_folder() as home:
        strings = {"root": str(home / "local"), "routes": str(home / "routes")}
        try:
            return await asyncio.to_thread(_measure, strings, home, size)
        finally:
            TARGET.stop(strings)


def _measure(strings: dict[str, str], home: Path, size: Size) -> Row:
    TARGET.ensure(strings)
    packages = [f"package{number}" for number in range(size.packages)]
    vendor = _vendor(home / "vendor", packages)
    shown = {str(vendor), sys.prefix, sys.base_prefix}
    settings = replace(local_settings.from_mapping(strings), toolbox=tuple(path for path in shown if path != "/usr"))
    install = f"{sys.executable} -m pip install --no-index --find-links {vendor} --target packages"
    command = f"{install} --no-build-isolation --disable-pip-version-check {' '.join(packages)}"
    first, *later = [_build(settings, f"bench-{number}", command) for number in range(3)]
    [archive] = archives.list_archives(settings)
    kept = f"{archive.size / MEGABYTE:.0f} MB" if archive.size > MEGABYTE else f"{archive.size // 1000} kB"
    return Row(
        "build-cache",
        (Figure("second", later[0] / first, 0.3), Figure("third", later[1] / first, 0.3)),
        f"`pip install` of {size.packages} source distributions in a second and a third environment, with unpacking "
        f"a cache of {kept}: {seconds(later)}",
        f"in the first environment, with saving the cache: {seconds([first])}",
    )


def _vendor(folder: Path, packages: list[str]) -> Path:
    folder.mkdir()
    for name in packages:
        top = f"{name}-1.0"
        texts = {"pyproject.toml": PROJECT, "backend.py": BACKEND.format(name=name), "PKG-INFO": ""}
        with tarfile.open(folder / f"{top}.tar.gz", "w:gz") as archive:
            for path, text in texts.items():
                entry = tarfile.TarInfo(f"{top}/{path}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
    return folder


def _build(settings: LocalSettings, name: str, command: str) -> float:
    """The seconds that a build takes in a new environment, which is removed afterwards."""
    HomeProvider().make(settings, {"environment": name})
    folder = settings.env(name)
    checkout = files.make_folder(folder / "src")
    users.give(checkout, users.reserve(settings, name))
    workspace = Workspace(checkout, folder / "home", domain=domains.ensure(settings, name))
    begun = time.monotonic()
    builds.run(settings, name, workspace, CommandRun("build", "build", command, 600, {}), REPOSITORY)
    taken = time.monotonic() - begun
    cleanup.purge(settings, name)
    return taken

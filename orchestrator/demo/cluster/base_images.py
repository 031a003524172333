"""Images that others start from, made of the programs of this very machine: PostgreSQL, and Python with psycopg.

A demo on a closed network has no others; where there is an internet, CI would start from the official ones.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from orchestrator.demo.cluster import wording
from orchestrator.demo.cluster.oci import ImageLayer, OciImage

ENTRYPOINT = """#!/bin/sh
# As the official image has it: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, PGDATA; other commands run as they are.
set -eu
[ "${1:-postgres}" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -U "$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 -E UTF8 --no-locale -N "$PGDATA" >/dev/null
  rm /tmp/password
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  [ "$POSTGRES_DB" = postgres ] ||
    echo "CREATE DATABASE \\"$POSTGRES_DB\\"" | postgres --single -D "$PGDATA" postgres >/dev/null
fi
exec postgres -D "$PGDATA" -c jit=off -c listen_addresses='*' -c unix_socket_directories=/tmp
"""
SHOP_PACKAGES = ("psycopg", "psycopg-binary", "typing-extensions")
"""What the sample shop stands on."""
_POSTGRES_PROGRAMS = ("mkdir", "chmod", "rm", "cat", "sleep", "id", "env", "ls", "false")
_SHOP_PROGRAMS = ("mkdir", "cat", "grep", "sed", "ls", "env")
_MERGED_USR = ("bin", "lib", "lib32", "lib64", "sbin")
"""Debian's merged /usr: what lies in /lib is found in /usr/lib."""
_LINKS = {name: f"usr/{name}" for name in ("bin", "lib", "lib64")}
_EXCLUDED_MODULES = {"test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip"}
_EXCLUDED_MODULES |= {"site-packages", "dist-packages"}
_TKINTER_PREFIX = "_tkinter."
"""It alone would bring twenty libraries."""
_UNCHECKED_PYC = (1).to_bytes(4, "little")

ImageFiles = dict[str, Path | bytes]


class BaseImageUnavailable(Exception):
    """This machine lacks something that the image is built from; the message says what."""


@cache
def postgres_image() -> OciImage:
    """This machine's PostgreSQL, with an entry point that takes the variables of the official image."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise BaseImageUnavailable(wording.NO_POSTGRES)
    home = found[-1].parent.parent
    programs = [home / "bin" / name for name in ("initdb", "postgres", "psql", "pg_isready", "pg_dump")]
    files = shell_programs(_POSTGRES_PROGRAMS) | _with_libraries([*programs, *(home / "lib").glob("plpgsql.so")])
    # Not the just-in-time compiler: it alone would be 100 MB.
    files |= {_image_path(path): path for path in (home / "lib").glob("*.so") if not path.name.startswith("llvm")}
    share = Path("/usr/share/postgresql") / home.name
    kept = (path for path in share.rglob("*") if path.is_file() and path.suffix != ".gz" and "man" not in path.parts)
    files |= {_image_path(path): path for path in kept if "bitcode" not in str(path)}
    files |= {
        "entrypoint.sh": ENTRYPOINT.encode(),
        "etc/passwd": b"postgres:x:999:999::/tmp:/bin/sh\napp:x:65532:65532::/tmp:/bin/sh\n",
        "etc/nsswitch.conf": b"hosts: files dns\n",
    }
    zones = Path("/usr/share/zoneinfo")
    files |= {_image_path(zones / name): zones / name for name in ("UTC", "Etc/UTC") if (zones / name).is_file()}
    env = {"PATH": f"{home}/bin:/usr/bin", "PGDATA": "/var/lib/postgresql/data/pgdata"}
    layer = ImageLayer(files, _LINKS, ("tmp", "var/lib/postgresql/data", "var/run/postgresql"))
    return OciImage((layer,), ("postgres",), ("/entrypoint.sh",), env, user="999")


@cache
def python_image() -> OciImage:
    """This interpreter with its library, a shell, and the packages that the shop stands on."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library, here = Path(sysconfig.get_path("stdlib")), f"usr/local/{sys.platlibdir}/{version}"
    modules = {f"{here}/{path.relative_to(library)}": path for path in _standard_library(library)}
    packages = {f"opt/packages/{name}": path for name, path in python_packages(SHOP_PACKAGES)}
    interpreter = Path(sys.executable).resolve()
    binaries = [path for path in (*modules.values(), *packages.values()) if ".so" in path.suffixes]
    own = {_image_path(path) for path in packages.values()}
    libraries = {name: path for name, path in _with_libraries([interpreter, *binaries]).items() if name not in own}
    files: ImageFiles = {name: path for name, path in libraries.items() if path not in (interpreter, *binaries)}
    files |= {**modules, **packages, f"usr/local/bin/{version}": interpreter}
    files |= _compiled_modules({**modules, **packages})
    files |= shell_programs(_SHOP_PROGRAMS) | {"etc/passwd": b"shop:x:65532:65532::/tmp:/bin/sh\n"}
    links = {**_LINKS, "usr/local/bin/python3": version}
    env = {"PATH": "/usr/local/bin:/usr/bin", "PYTHONPATH": "/opt/packages", "LANG": "C.UTF-8"}
    return OciImage((ImageLayer(files, links, ("tmp",)),), ("python3",), env=env)


def _standard_library(library: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(library):
        below[:] = [name for name in below if name not in _EXCLUDED_MODULES and not name.startswith("config-")]
        kept = (name for name in names if name.endswith((".py", ".so")) and not name.startswith(_TKINTER_PREFIX))
        yield from (Path(folder, name) for name in kept)


def python_packages(names: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """The files of installed packages, by their path in a folder of packages."""
    for name in names:
        try:
            listed = metadata.files(name) or []
        except metadata.PackageNotFoundError as error:
            raise BaseImageUnavailable(wording.no_python_package(name)) from error
        for item in listed:
            if item.parts[0] != ".." and item.suffix != ".pyc":
                yield str(item), Path(str(item.locate()))


def _compiled_modules(sources: ImageFiles) -> ImageFiles:
    """What this interpreter compiled before, told not to compare times: files of an image have none, and a pod that
    compiled everything anew would start a second later."""
    found: ImageFiles = {}
    for name, source in sources.items():
        if not isinstance(source, Path) or source.suffix != ".py":
            continue
        kept = Path(importlib.util.cache_from_source(str(source)))
        if kept.is_file():
            raw = kept.read_bytes()
            place = importlib.util.cache_from_source(name)
            found[place] = raw[:4] + _UNCHECKED_PYC + bytes(8) + raw[16:]
    return found


def shell_programs(names: Iterable[str]) -> ImageFiles:
    """A shell and these programs, with what they need."""
    found = {word: shutil.which(word) for word in ("sh", *names)}
    missing = [word for word, path in found.items() if path is None]
    if missing:
        raise BaseImageUnavailable(wording.no_program(missing[0]))
    programs = {f"usr/bin/{word}": Path(str(path)).resolve() for word, path in found.items()}
    libraries = _with_libraries(programs.values())
    return {**{name: path for name, path in libraries.items() if path not in programs.values()}, **programs}


def _with_libraries(programs: Iterable[Path]) -> ImageFiles:
    listed = list(programs)
    return {_image_path(path): path for path in (*listed, *_libraries(listed))}


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """As the loader finds them. A program that needs none makes it fail, and says nothing of the others."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    listed = [line.split() for line in said.splitlines() if line.startswith("\t")]
    found = {Path(os.path.normpath(word)) for words in listed for word in words if word.startswith("/")}
    # Not linked to, but loaded by name when one is looked up.
    return found | set(Path("/lib").glob("*-linux-gnu/libnss_dns.so.2"))


def _image_path(path: Path) -> str:
    name = str(path).lstrip("/")
    return f"usr/{name}" if name.partition("/")[0] in _MERGED_USR else name

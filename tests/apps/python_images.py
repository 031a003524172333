"""A Python image that Dockerfiles start from, and what CI builds on it: this machine's Python, and packages from its
package index."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

from orchestrator.demo.cluster.base_images import ImageFiles, python_image
from orchestrator.demo.cluster.oci import ImageLayer, OciImage

_PYTHON = "/usr/local/bin/python3"
_PACKAGES = f"usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
_PIP = f'#!/bin/sh\nexec {_PYTHON} -m pip "$@"\n'.encode()
_OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/wheels",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def image_with_pip(requirements: Path) -> OciImage:
    """Like the official image, runs as root and has pip; as in a company without internet, pip installs these wheels
    and no others."""
    with tempfile.TemporaryDirectory(prefix="eph-wheels-") as folder:
        _pip("download", "--dest", folder, "--requirement", str(requirements))
        wheels: ImageFiles = {f"wheels/{path.name}": path.read_bytes() for path in Path(folder).iterdir()}
    base = _plain_python()
    layer = ImageLayer({**_pip_files(), **wheels, "usr/local/bin/pip": _PIP})
    return replace(base, layers=(*base.layers, layer), user="0", env={**base.env, **_OFFLINE})


def _pip_files() -> ImageFiles:
    listed = (item for item in metadata.files("pip") or () if ".." not in item.parts and item.suffix != ".pyc")
    return {f"{_PACKAGES}/{item}": Path(str(item.locate())) for item in listed}


def application_image(content: Mapping[str, bytes]) -> OciImage:
    """With the packages of its requirements.txt, and the files in its working directory."""
    base = _plain_python()
    files: ImageFiles = {f"srv/{path}": data for path, data in content.items()}
    layers = (*base.layers, _installed(content["requirements.txt"]), ImageLayer(files))
    return replace(base, layers=layers, working_dir="/srv")


@cache
def _plain_python() -> OciImage:
    """Without the packages of the sample shop."""
    whole = python_image()
    (layer,) = whole.layers
    files = {path: source for path, source in layer.files.items() if not path.startswith("opt/packages/")}
    links = {**layer.links, "usr/local/bin/python": "python3"}
    env = {key: value for key, value in whole.env.items() if key != "PYTHONPATH"}
    return replace(whole, layers=(ImageLayer(files, links, layer.writable_dirs),), env=env)


@cache
def _installed(requirements: bytes) -> ImageLayer:
    with tempfile.TemporaryDirectory(prefix="eph-packages-") as name:
        folder, listed = Path(name) / "packages", Path(name) / "requirements.txt"
        listed.write_bytes(requirements)
        _pip("install", "--no-compile", "--target", str(folder), "--requirement", str(listed))
        paths = [path for path in folder.rglob("*") if path.is_file()]
        files: ImageFiles = {f"{_PACKAGES}/{path.relative_to(folder)}": path.read_bytes() for path in paths}
        programs = [path for path in paths if path.parent == folder / "bin"]
        files |= {f"usr/local/bin/{path.name}": _with_interpreter(path.read_bytes()) for path in programs}
    return ImageLayer(files)


def _with_interpreter(script: bytes) -> bytes:
    return f"#!{_PYTHON}\n".encode() + script.partition(b"\n")[2]


def _pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

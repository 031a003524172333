"""Container images made from files of this machine, without a daemon and without the internet.

The demo plays CI with them, and the test cluster's own images are made so too (infra/toolchain/cluster/images.py, which
a bare Python runs: the standard library only). Everything is made from the content alone, so the same files give the
same digest again. Eph itself makes no images, it finds those of others (``orchestrator.images``).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What the machine is called, and what registries and nodes call it."""
UNPRIVILEGED_USER = "65532"
MEDIA_TYPES = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar",
}


@dataclass(frozen=True)
class ImageLayer:
    """``files``: path in the image to path here, or to bytes. ``links``: path in the image to what it points to.
    ``writable_dirs``: those that everybody may write in."""

    files: Mapping[str, Path | bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    writable_dirs: tuple[str, ...] = ()

    def tar_bytes(self) -> bytes:
        """Not compressed: it travels within one machine, whose processor has other work. Not kept: it may be large, and
        once a registry has it only ``blob`` is asked for."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name in self.writable_dirs:
                _add_entry(tar, name, b"", kind=tarfile.DIRTYPE, mode=0o1777)
            for name, source in sorted(self.files.items()):
                _add_entry(tar, name, source if isinstance(source, bytes) else source.read_bytes(), mode=0o755)
            for name, target in sorted(self.links.items()):
                _add_entry(tar, name, b"", kind=tarfile.SYMTYPE, target=target)
        return packed.getvalue()

    @cached_property
    def blob(self) -> dict[str, Any]:
        return descriptor("layer", self.tar_bytes())


@dataclass(frozen=True)
class OciImage:
    """``user`` is a number: a pod that must not run as root is judged by it."""

    layers: tuple[ImageLayer, ...]
    command: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = UNPRIVILEGED_USER
    labels: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""

    @property
    def config(self) -> bytes:
        inner = {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Env": [f"{key}={value}" for key, value in sorted(self.env.items())],
            "User": self.user,
            "Labels": dict(self.labels),
            "WorkingDir": self.working_dir,
        }
        data = {
            "architecture": architecture(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": inner,
            "rootfs": {"type": "layers", "diff_ids": [layer.blob["digest"] for layer in self.layers]},
        }
        return json.dumps(data, sort_keys=True).encode()

    def manifest(self) -> bytes:
        data = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPES["manifest"],
            "config": descriptor("config", self.config),
            "layers": [layer.blob for layer in self.layers],
        }
        return json.dumps(data, sort_keys=True).encode()


def architecture() -> str:
    """This machine's, for images hold its programs."""
    return ARCHITECTURES.get(os.uname().machine, os.uname().machine)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": MEDIA_TYPES[kind], "digest": digest(data), "size": len(data)}


def write_docker_archive(image: OciImage, name: str, path: Path) -> None:
    """Docker's archive format: what ``ctr images import`` reads in one go."""
    layers = {f"layer{index}.tar": layer.tar_bytes() for index, layer in enumerate(image.layers)}
    told = [{"Config": "config.json", "RepoTags": [name], "Layers": list(layers)}]
    entries = {"config.json": image.config, **layers, "manifest.json": json.dumps(told).encode()}
    with tarfile.open(path, "w") as tar:
        for entry, content in entries.items():
            _add_entry(tar, entry, content, mode=0o644)


def _add_entry(tar: tarfile.TarFile, name: str, content: bytes, **about: Any) -> None:
    """``about``: kind, mode and target, as far as they are not those of a plain file."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = about.get("kind", tarfile.REGTYPE), about.get("mode", 0o777)
    entry.linkname, entry.size = about.get("target", ""), len(content)
    tar.addfile(entry, io.BytesIO(content))

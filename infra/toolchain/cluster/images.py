"""Container images made from files of this machine, without a daemon and without the internet.

``import_tar`` writes the archive that ``ctr images import`` takes; ``push`` puts the same
image into a registry by its HTTP API. Everything is made from the content alone, so the same files give the same
digest again.

    python3 images.py system FOLDER BIN          the images that the node itself runs, as archives in FOLDER
    python3 images.py samples REGISTRY BIN       the images that tests deploy, pushed to REGISTRY
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
TYPES = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar",
}
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


@dataclass(frozen=True)
class Layer:
    """``files``: path in the image to path here, or to bytes. ``links``: path in the image to what it points to."""

    files: Mapping[str, Path | bytes]
    links: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    @cached_property
    def packed(self) -> bytes:
        """Not compressed: it travels within one machine, whose processor has other work."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name in self.folders:
                _add(tar, name, b"", kind=tarfile.DIRTYPE, mode=0o1777)
            for name, source in sorted(self.files.items()):
                _add(tar, name, source if isinstance(source, bytes) else source.read_bytes(), mode=0o755)
            for name, target in sorted(self.links.items()):
                _add(tar, name, b"", kind=tarfile.SYMTYPE, target=target)
        return packed.getvalue()


@dataclass(frozen=True)
class Image:
    layers: tuple[Layer, ...]
    command: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = "65532"
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> bytes:
        inner = {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Env": [f"{key}={value}" for key, value in sorted(self.env.items())],
            "User": self.user,
            "Labels": dict(self.labels),
        }
        data = {
            "architecture": ARCHITECTURES[os.uname().machine],
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": inner,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer.packed) for layer in self.layers]},
        }
        return json.dumps(data, sort_keys=True).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes, **about: Any) -> None:
    """``about``: kind, mode and target, as far as they are not those of a plain file."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = about.get("kind", tarfile.REGTYPE), about.get("mode", 0o777)
    entry.linkname, entry.size = about.get("target", ""), len(content)
    tar.addfile(entry, io.BytesIO(content))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def import_tar(image: Image, name: str, path: Path) -> None:
    """Docker's archive format: what ``ctr images import`` reads in one go."""
    layers = {f"layer{index}.tar": layer.packed for index, layer in enumerate(image.layers)}
    told = [{"Config": "config.json", "RepoTags": [name], "Layers": list(layers)}]
    entries = {"config.json": image.config, **layers, "manifest.json": json.dumps(told).encode()}
    with tarfile.open(path, "w") as tar:
        for entry, content in entries.items():
            _add(tar, entry, content, mode=0o644)


@dataclass(frozen=True)
class Registry:
    """A registry's API v2, as much of it as a push needs. ``user`` and ``password`` for basic authentication."""

    url: str
    user: str = ""
    password: str = ""

    def push(self, image: Image, repository: str, tag: str) -> str:
        """Gives the manifest's digest."""
        config, layers = image.config, [layer.packed for layer in image.layers]
        for blob in (*layers, config):
            self._blob(repository, blob)
        manifest = {
            "schemaVersion": 2,
            "mediaType": TYPES["manifest"],
            "config": _descriptor("config", config),
            "layers": [_descriptor("layer", layer) for layer in layers],
        }
        data = json.dumps(manifest, sort_keys=True).encode()
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", data, TYPES["manifest"])
        return _digest(data)

    def _blob(self, repository: str, blob: bytes) -> None:
        try:
            self._ask("HEAD", f"/v2/{repository}/blobs/{_digest(blob)}")
            return
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
        place = self._ask("POST", f"/v2/{repository}/blobs/uploads/", b"").headers["Location"]
        joiner = "&" if "?" in place else "?"
        self._ask("PUT", f"{place}{joiner}digest={_digest(blob)}", blob, "application/octet-stream")

    def _ask(self, method: str, path: str, data: bytes | None = None, kind: str = "") -> urllib.request.addinfourl:
        url = path if path.startswith("http") else f"{self.url}{path}"
        request = urllib.request.Request(url, data, method=method)  # noqa: S310 - the test cluster's own registry
        if kind:
            request.add_header("Content-Type", kind)
        if self.user:
            basic = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {basic}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            answer.read()
            return answer  # type: ignore[no-any-return]


def _descriptor(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": TYPES[kind], "digest": _digest(data), "size": len(data)}


def system(tools: Path, coredns: Path) -> dict[str, Image]:
    """What the node runs itself, never pulled: no registry is called so. Root, as far as their pods allow it."""
    ours, names = Layer({"tools": tools}), Layer({"coredns": coredns})
    return {
        "pause": Image((ours,), ("pause",), ("/tools",), user="0"),
        "ingress": Image((ours,), ("ingress",), ("/tools",), user="0"),
        "coredns": Image((names,), (), ("/coredns",), user="0"),
    }


@cache
def _tools(path: Path) -> Layer:
    return Layer({"usr/bin/tools": path})


def app(tools: Path, version: str, labels: Mapping[str, str] | None = None) -> Image:
    """The app that tests deploy, with a shell and PostgreSQL's client in it."""
    base = postgres()
    layers = (*base.layers, _tools(tools))
    return Image(layers, ("tools", "serve"), (), {**base.env, "APP_VERSION": version}, labels=labels or {})


@cache
def postgres() -> Image:
    """This machine's PostgreSQL, with an entry point that takes the variables of the official image."""
    home = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent.parent
    programs = [home / "bin" / name for name in ("initdb", "postgres", "psql", "pg_isready", "pg_dump")]
    words = ("dash", "mkdir", "chmod", "rm", "cat", "sleep", "id", "env", "ls", "false")
    shell = [Path("/bin") / name for name in words]
    libraries = {*_libraries([*programs, *shell]), *_libraries((home / "lib").glob("plpgsql.so"))}
    files: dict[str, Path | bytes] = {_inside(path): path for path in (*programs, *libraries)}
    files |= {f"usr/bin/{path.name}": path for path in shell}
    # Not the just-in-time compiler: it alone would be 100 MB.
    files |= {_inside(path): path for path in (home / "lib").glob("*.so") if not path.name.startswith("llvm")}
    share = Path("/usr/share/postgresql") / home.name
    kept = (path for path in share.rglob("*") if path.is_file() and path.suffix != ".gz" and "man" not in path.parts)
    files |= {_inside(path): path for path in kept if "bitcode" not in str(path)}
    files |= {
        "entrypoint.sh": ENTRYPOINT.encode(),
        "etc/passwd": b"postgres:x:999:999::/tmp:/bin/sh\napp:x:65532:65532::/tmp:/bin/sh\n",
        "etc/nsswitch.conf": b"hosts: files dns\n",
    }
    zones = Path("/usr/share/zoneinfo")
    files |= {_inside(zones / name): zones / name for name in ("UTC", "Etc/UTC") if (zones / name).is_file()}
    env = {"PATH": f"{home}/bin:/usr/bin", "PGDATA": "/var/lib/postgresql/data/pgdata"}
    links = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "usr/bin/sh": "dash"}
    layer = Layer(files, links, ("tmp", "var/lib/postgresql/data", "var/run/postgresql"))
    return Image((layer,), ("postgres",), ("/entrypoint.sh",), env, user="999")


def _inside(path: Path) -> str:
    """Debian's merged /usr: what lies in /lib is found in /usr/lib."""
    name = str(path).lstrip("/")
    return name if name.startswith("usr/") else f"usr/{name}"


def _libraries(programs: Iterable[Path]) -> set[Path]:
    found: set[Path] = set()
    for program in programs:
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        found |= {Path(word) for line in said.splitlines() for word in line.split() if word.startswith("/")}
    nss = (path for path in Path("/lib").glob("*-linux-gnu/libnss_dns.so.2"))
    return found | set(nss)


def main(arguments: list[str]) -> None:
    what, place, binaries = arguments[0], arguments[1], Path(arguments[2])
    if what == "system":
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in system(binaries / "tools", binaries / "coredns").items():
            import_tar(image, f"cluster.test/{name}:1", folder / f"{name}.tar")
        return
    registry = Registry(place, os.environ.get("REGISTRY_USER", ""), os.environ.get("REGISTRY_PASSWORD", ""))
    samples = {("library/postgres", "15"): postgres()}
    for version in ("v1", "v2"):
        samples["acme/shop", version] = app(binaries / "tools", version)
    for (repository, tag), image in samples.items():
        sys.stdout.write(f"{repository}:{tag} {registry.push(image, repository, tag)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Downloads of archives, which are used only if their SHA-256 is the expected one.

The digests below were published before the downloads: those of the CLI by Pulumi in its Homebrew tap, those of the
Kubernetes plugin by nixpkgs. ``EPH_TOOLCHAIN_CHECKSUMS`` names a file with more of them, in the format of sha256sum,
such as the ``checksums.txt`` of a release. ``EPH_TOOLCHAIN_UNVERIFIED=yes`` accepts an archive without a known digest,
never one with another digest.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tarfile
import time
import urllib.request
from pathlib import Path

from stacks.toolchain import wording

RESPONSE_SECONDS = 5.0
"""A connection must respond within this time, otherwise the site isn't reachable from here."""

SHA256 = {
    "pulumi-v3.259.0-linux-x64.tar.gz": "94ba357acac23d01474084c4b00098dc0f7bc70ce13f34c777459254a5f718e5",
    "pulumi-v3.259.0-linux-arm64.tar.gz": "edc8327463a72160bb36cf82cf5062da9c8a244290a706d9980988e7bf486853",
    "pulumi-v3.259.0-darwin-x64.tar.gz": "eaca4c3b8277bfa3ab061fa3b270d1c66358a0b2e613da8c5587a04b7226c534",
    "pulumi-v3.259.0-darwin-arm64.tar.gz": "57c27f179e527e2cf9f62b841a448af72a020e44b2fb4ee0d9bd85556c00c864",
    "pulumi-resource-kubernetes-v4.25.0-linux-amd64.tar.gz": (
        "6ea3d53c16a00c4d1017c4d109928d8f4801fd7cd978965cd43917561f3774b0"
    ),
    "pulumi-resource-kubernetes-v4.25.0-linux-arm64.tar.gz": (
        "e4260240ed14bff6ed1a5a25a362311380ea1c072544fc262532b8197ea0725c"
    ),
    "pulumi-resource-kubernetes-v4.25.0-darwin-amd64.tar.gz": (
        "e5dffbef3525bb6f41c2b328afb471149c7396c263d2acd2ef2fab51d63d47f3"
    ),
    "pulumi-resource-kubernetes-v4.25.0-darwin-arm64.tar.gz": (
        "566425b7767be7184d59c7ea151812c98426d7dab85f93c9c676c1dc9d488d91"
    ),
}


class DownloadRefused(Exception):
    """The archive can't be verified, or isn't the expected one; the message says what to do."""


def cli_archive(version: str) -> str:
    """The name of the archive with the Pulumi CLI for this machine."""
    return f"pulumi-v{version}-{sys.platform}-{_architecture().replace('amd64', 'x64')}.tar.gz"


def plugin_archive(name: str, version: str) -> str:
    """The name of the archive with a plugin for this machine."""
    return f"pulumi-resource-{name}-v{version}-{sys.platform}-{_architecture()}.tar.gz"


def cli_address() -> str:
    """The folder that the CLI's archive is downloaded from."""
    return mirror() or "https://get.pulumi.com/releases/sdk"


def plugin_address() -> str:
    """The folder that plugins' archives are downloaded from."""
    return mirror() or "https://api.pulumi.com/releases/plugins"


def mirror() -> str:
    """The operator's own folder of archives; empty: their publishers' sites."""
    return os.environ.get("EPH_TOOLCHAIN_MIRROR", "").rstrip("/")


def expected_sha256(archive: str) -> str:
    """The digest that the archive must have; empty if it's unknown and the operator accepts that."""
    known = {**SHA256, **_own_checksums()}.get(archive, "")
    if not known and os.environ.get("EPH_TOOLCHAIN_UNVERIFIED") != "yes":
        raise DownloadRefused(wording.checksum_unknown(archive))
    return known


def fetch(address: str, archive: str, folder: Path, seconds: float) -> Path:
    """Downloads the archive into the folder and verifies it. Raises ``DownloadRefused`` and ``OSError``."""
    expected = expected_sha256(archive)
    file, digest = folder / archive, hashlib.sha256()
    deadline = time.monotonic() + seconds
    opener = urllib.request.build_opener()  # with the proxies of now
    request = urllib.request.Request(f"{address}/{archive}", headers={"User-Agent": "eph"})  # noqa: S310 - set by the operator
    with opener.open(request, timeout=RESPONSE_SECONDS) as response, file.open("wb") as out:
        while block := response.read(1 << 20):
            if time.monotonic() > deadline:
                raise DownloadRefused(wording.not_finished(seconds))
            digest.update(block)
            out.write(block)
    if expected and digest.hexdigest() != expected:
        file.unlink()
        raise DownloadRefused(wording.checksum_differs(archive, digest.hexdigest(), expected))
    return file


def unpack_programs(archive: Path, folder: Path) -> None:
    """Writes the archive's files into the folder, without the archive's own folders."""
    with tarfile.open(archive) as files:
        for member in files:
            content = files.extractfile(member) if member.isfile() else None
            if content is not None:
                program = folder / Path(member.name).name
                program.write_bytes(content.read())
                program.chmod(0o755)


def _own_checksums() -> dict[str, str]:
    file = os.environ.get("EPH_TOOLCHAIN_CHECKSUMS")
    if not file:
        return {}
    try:
        words = [line.split() for line in Path(file).read_text().splitlines()]
    except OSError as why:
        raise DownloadRefused(wording.checksums_unreadable(file, why.strerror)) from why
    return {pair[1].lstrip("*"): pair[0].lower() for pair in words if len(pair) == 2}


def _architecture() -> str:
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)

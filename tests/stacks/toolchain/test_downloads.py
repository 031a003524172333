"""What is downloaded from outside package registries is used only with the expected SHA-256 (S3, O4).

The site is a server on this machine with archives that the test wrote.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stacks.toolchain import downloads, installers, plugins, pulumi_cli
from stacks.toolchain.downloads import DownloadRefused
from stacks.toolchain.installers import SourceUnavailable
from stacks.toolchain.pulumi_cli import VERSION, ToolchainNotFound

ROOT = Path(__file__).parents[3]
PLUGIN = downloads.plugin_archive("kubernetes", plugins.version("kubernetes"))


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that the mirror serves. The machine has no pulumi and an empty cache."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("EPH_TOOLCHAIN_MIRROR", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("EPH_TOOLCHAIN_WAYS", "cache,download")
        monkeypatch.setenv("EPH_CACHE", str(tmp_path / "cache"))
        yield folder
        server.shutdown()
        thread.join()


def publish(site: Path, archive: str, member: str, text: str = f"echo v{VERSION}") -> str:
    """Writes an archive with one program, and returns its SHA-256."""
    content = f"#!/bin/sh\n{text}\n".encode()
    with tarfile.open(site / archive, "w:gz") as files:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        files.addfile(info, io.BytesIO(content))
    return hashlib.sha256((site / archive).read_bytes()).hexdigest()


def expect(monkeypatch: pytest.MonkeyPatch, folder: Path, **digests: str) -> None:
    """The operator's own file of checksums; ``cli`` and ``plugin`` are their archives."""
    names = {"cli": downloads.cli_archive(VERSION), "plugin": PLUGIN}
    file = folder / "checksums.txt"
    file.write_text("".join(f"{digest}  {names[name]}\n" for name, digest in digests.items()))
    monkeypatch.setenv("EPH_TOOLCHAIN_CHECKSUMS", str(file))


def discard(_: str) -> None: ...


def test_archive_with_the_expected_checksum_is_installed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect(monkeypatch, tmp_path, cli=publish(site, downloads.cli_archive(VERSION), "pulumi/pulumi"))
    found = pulumi_cli.ensure(discard)
    assert (found.source, found.version) == ("download", VERSION)
    assert [path.name for path in found.pulumi.parents[1].iterdir()] == ["bin"]


def test_changed_archive_is_refused(site: Path) -> None:
    publish(site, downloads.cli_archive(VERSION), "pulumi/pulumi")
    with pytest.raises(ToolchainNotFound, match="is expected; the download is incomplete, or someone changed"):
        pulumi_cli.ensure(discard)
    assert not list((pulumi_cli.cache_folder() / "pulumi").glob("*/bin"))


def test_unverified_setting_never_accepts_another_checksum(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPH_TOOLCHAIN_UNVERIFIED", "yes")
    publish(site, downloads.cli_archive(VERSION), "pulumi/pulumi")
    with pytest.raises(ToolchainNotFound, match="someone changed"):
        pulumi_cli.ensure(discard)


def test_archive_without_a_known_checksum_is_refused_unless_a_setting_accepts_it(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = "pulumi-v3.1.0-plan9-x64.tar.gz"
    publish(site, archive, "pulumi/pulumi")
    with pytest.raises(DownloadRefused, match="EPH_TOOLCHAIN_CHECKSUMS"):
        downloads.fetch(downloads.mirror(), archive, tmp_path, 5)
    assert not (tmp_path / archive).exists()
    monkeypatch.setenv("EPH_TOOLCHAIN_UNVERIFIED", "yes")
    assert downloads.fetch(downloads.mirror(), archive, tmp_path, 5).is_file()


def test_archive_cannot_write_outside_its_folder(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expect(monkeypatch, tmp_path, cli=publish(site, downloads.cli_archive(VERSION), "../../pulumi"))
    found = pulumi_cli.ensure(discard)
    assert found.pulumi == pulumi_cli.cache_folder() / "pulumi" / VERSION / "bin" / "pulumi"


def test_missing_archive_and_unreadable_checksums_have_their_own_reasons(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ToolchainNotFound, match="HTTPError: HTTP Error 404"):
        pulumi_cli.ensure(discard)
    (site / downloads.cli_archive(VERSION)).write_text("not an archive")
    expect(monkeypatch, tmp_path, cli=hashlib.sha256(b"not an archive").hexdigest())
    with pytest.raises(ToolchainNotFound, match="ReadError"):
        pulumi_cli.ensure(discard)
    monkeypatch.setenv("EPH_TOOLCHAIN_CHECKSUMS", str(tmp_path / "missing"))
    with pytest.raises(ToolchainNotFound, match="EPH_TOOLCHAIN_CHECKSUMS: can't read"):
        pulumi_cli.ensure(discard)


def test_only_the_binary_of_a_verified_plugin_is_installed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect(monkeypatch, tmp_path, plugin=publish(site, PLUGIN, "pulumi-resource-kubernetes"))
    folder = plugins.ensure("kubernetes", discard)
    assert [path.name for path in folder.iterdir()] == ["pulumi-resource-kubernetes"]


def test_changed_plugin_is_refused(site: Path) -> None:
    publish(site, PLUGIN, "pulumi-resource-kubernetes")
    with pytest.raises(ToolchainNotFound, match="someone changed the archive"):
        plugins.ensure("kubernetes", discard)
    assert not list((pulumi_cli.cache_folder() / "plugins").iterdir())


def test_plugin_without_a_known_checksum_is_not_requested(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"the checksum of pulumi-resource-aws-v9\.9\.9-"):
        installers.download_plugin(tmp_path, "aws", "9.9.9", discard)


@pytest.mark.parametrize("platform", ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"])
def test_pinned_versions_have_checksums(platform: str) -> None:
    """A move to another Pulumi without its checksums would disable downloads."""
    cli = f"pulumi-v{VERSION}-{platform}.tar.gz"
    plugin = f"pulumi-resource-kubernetes-v{plugins.version('kubernetes')}-{platform.replace('x64', 'amd64')}.tar.gz"
    for archive in (cli, plugin):
        assert re.fullmatch("[0-9a-f]{64}", downloads.expected_sha256(archive))


def test_image_base_is_a_digest() -> None:
    """A tag can refer to another image tomorrow."""
    text = (ROOT / "infra/docker/Dockerfile").read_text()
    assert re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE) == re.findall(
        r"debian:12-slim@sha256:[0-9a-f]{64}", text
    )
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) <= {"${BASE}", "packages"}


def test_scripts_download_only_through_verifying_clients() -> None:
    """pip has hashes, npm a lock file, Go its checksums, apt signatures. A bare download would have none of them."""
    scripts = [
        *ROOT.glob("infra/**/*.sh"),
        *ROOT.glob("stacks/**/*.py"),
        ROOT / "Makefile",
        ROOT / "infra/docker/Dockerfile",
    ]
    bare = re.compile(r"\b(curl|wget|PulumiCommand\.install)\b|^ADD ", re.MULTILINE)
    assert [str(path.relative_to(ROOT)) for path in scripts if bare.search(path.read_text())] == []
    installs = [
        line
        for path in scripts
        if path.suffix != ".py"
        for line in path.read_text().splitlines()
        if re.search(r"pip[\"]? install|npm (install|ci)", line)
    ]
    assert installs
    assert all(re.search("--require-hashes|--editable|npm ci|--no-index", line) for line in installs), installs

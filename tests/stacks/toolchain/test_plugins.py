"""Pulumi's plugins next to the CLI: found, downloaded or built once, in the order of the allowed ways."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from stacks.toolchain import plugins, pulumi_cli
from stacks.toolchain.pulumi_cli import Toolchain, ToolchainNotFound

NAME = "kubernetes"


def write_program(path: Path, text: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with its own cache, no plugin, and no way out."""
    write_program(tmp_path / "bin" / "pulumi")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there: refused immediately
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("EPH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_on_path_first_then_the_cache(bare_machine: Path) -> None:
    cached = bare_machine / "cache" / "plugins" / f"{NAME}-{plugins.version(NAME)}"
    write_program(cached / "pulumi-resource-kubernetes")
    assert plugins.find(NAME) == cached
    write_program(bare_machine / "bin" / "pulumi-resource-kubernetes")
    assert plugins.find(NAME) == bare_machine / "bin"


def test_when_nothing_works_every_way_is_reported(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPH_TOOLCHAIN_WAYS", "path,cache,download")
    with pytest.raises(ToolchainNotFound) as failed:
        plugins.ensure(NAME, lambda _: None)
    assert "download: URLError" in str(failed.value)
    assert "make plugin-kubernetes" in str(failed.value)
    out, err = io.StringIO(), io.StringIO()
    assert plugins.main([NAME], out, err) == 1
    assert (out.getvalue(), "make plugin-kubernetes" in err.getvalue()) == ("", True)


def test_a_server_brings_the_plugins_of_its_targets(bare_machine: Path) -> None:
    write_program(bare_machine / "bin" / "pulumi-resource-kubernetes")
    tools = Toolchain(bare_machine / "bin" / "pulumi", "1", "/tools", "path")
    assert plugins.with_plugins(tools, ("local",), lambda _: None).path == "/tools"
    assert plugins.with_plugins(tools, ("local", "kubernetes"), lambda _: None).path == f"{bare_machine / 'bin'}:/tools"


def test_build_has_the_version_that_the_sdk_requires() -> None:
    script = Path(pulumi_cli.__file__).parents[2] / "infra" / "toolchain" / "kubernetes-plugin" / "build.sh"
    assert f"\nversion={plugins.version(NAME)}\n" in script.read_text()


def test_kustomize_is_the_version_of_its_module(bare_machine: Path) -> None:
    module = Path(pulumi_cli.__file__).parents[2] / "infra" / "toolchain" / "kustomize" / "go.mod"
    version = plugins.version(plugins.KUSTOMIZE)
    assert f"require sigs.k8s.io/kustomize/kustomize/v5 v{version}\n" in module.read_text()
    assert plugins.find_optional(plugins.KUSTOMIZE) is None
    tools = Toolchain(bare_machine / "bin" / "pulumi", "1", "/tools", "path")
    write_program(bare_machine / "bin" / "pulumi-resource-kubernetes")
    cached = bare_machine / "cache" / "plugins" / f"kustomize-{version}"
    write_program(cached / "kustomize")
    path = plugins.with_plugins(tools, ("kubernetes",), lambda _: None).path
    assert path == f"{bare_machine / 'bin'}:{cached}:/tools"


def test_compose_is_the_version_of_its_module() -> None:
    module = Path(pulumi_cli.__file__).parents[2] / "infra" / "toolchain" / "compose" / "go.mod"
    assert f"require github.com/docker/compose/v5 v{plugins.version(plugins.COMPOSE)}\n" in module.read_text()


def test_helm_has_the_version_that_the_plugin_uses(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Path(pulumi_cli.__file__).parents[2] / "infra" / "toolchain" / "kubernetes-plugin" / "go.mod"
    version = plugins.version(plugins.HELM)
    assert f"\thelm.sh/helm/v3 v{version}" in module.read_text()
    monkeypatch.setenv("EPH_TOOLCHAIN_WAYS", "path,cache")
    with pytest.raises(ToolchainNotFound, match="make helm"):
        plugins.ensure("helm", lambda _: None)
    write_program(bare_machine / "cache" / "plugins" / f"helm-{version}" / "helm")
    assert plugins.find("helm").name == f"helm-{version}"

"""Pulumi's plugins that Eph's targets need, found or installed next to the CLI, and other tools that they can use.

A plugin is one binary that Pulumi finds on PATH. It isn't installed into PULUMI_HOME: Pulumi would look there for the
exact version that the SDK requests, and parallel installs race (pulumi #22784). The ways are the same as the CLI's, in
the same order: PATH, Eph's cache, Pulumi's download, a build from the Go module. The pinned SDK determines the version.

Helm, kustomize and Docker Compose are built from their Go modules; Eph doesn't download them. Helm's is the module that
Pulumi's Kubernetes plugin renders charts with, so after the plugin its build takes seconds. The language host for YAML
projects is part of Pulumi's own download; only a CLI that was built from its module needs it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TextIO

from stacks.toolchain import installers as sources
from stacks.toolchain import pulumi_cli, wording
from stacks.toolchain.installers import SourceUnavailable
from stacks.toolchain.pulumi_cli import Progress, Toolchain, ToolchainNotFound

HELM, KUSTOMIZE, COMPOSE, LANGUAGE_YAML = "helm", "kustomize", "docker-compose", "pulumi-language-yaml"
TOOLS = {
    HELM: sources.ToolSource("3.18.6", "kubernetes-plugin/helm.sh", wording.HELM_BUILD),
    KUSTOMIZE: sources.ToolSource("5.7.1", "kustomize/build.sh", wording.KUSTOMIZE_BUILD),
    COMPOSE: sources.ToolSource("5.6.0", "compose/build.sh", wording.COMPOSE_BUILD),
    LANGUAGE_YAML: sources.ToolSource("1.32.0", "pulumi-yaml/build.sh", wording.YAML_BUILD),
}
"""The versions are those of the go.mod next to each script; a test compares them."""


def find(name: str, cache: Path | None = None) -> Path:
    """The folder to put in front of PATH. Raises ``ToolchainNotFound`` if the plugin isn't installed."""
    found = shutil.which(_binary_name(name))
    if found is not None and "path" in pulumi_cli.allowed_ways():
        return Path(found).absolute().parent
    place = _install_folder(name, cache or pulumi_cli.cache_folder())
    if (place / _binary_name(name)).is_file() and "cache" in pulumi_cli.allowed_ways():
        return place
    raise ToolchainNotFound(_not_found_message(name, {}))


def ensure(name: str, progress: Progress, cache: Path | None = None) -> Path:
    """The folder of the plugin, which is downloaded or built if necessary. Raises ``ToolchainNotFound``."""
    cache = cache or pulumi_cli.cache_folder()
    try:
        return find(name, cache)
    except ToolchainNotFound:
        pass
    with pulumi_cli.exclusive_lock(cache, progress):
        try:
            return find(name, cache)  # the process we waited for may have installed it
        except ToolchainNotFound:
            return _install(name, cache, progress)


def with_plugins(tools: Toolchain, targets: Iterable[str], progress: Progress) -> Toolchain:
    """The CLI together with the plugins that these targets need, and the tools that they can use if they are there."""
    from programs import registry  # not at the top: the image's tools are installed from this package alone

    found = filter(None, map(registry.find, targets))
    descriptions = [target.description for target in found]
    names = sorted({plugin for description in descriptions for plugin in description.plugins})
    optional = sorted({tool for description in descriptions for tool in description.tools})
    folders = [str(ensure(name, progress)) for name in names]
    folders += [str(folder) for folder in map(find_optional, optional) if folder]
    return replace(tools, path=os.pathsep.join([*folders, tools.path]))


def find_optional(name: str) -> Path | None:
    try:
        return find(name)
    except ToolchainNotFound:
        return None


def _install(name: str, cache: Path, progress: Progress) -> Path:
    failures: dict[str, str] = {}
    makers = {"build": partial(sources.build_tool, TOOLS[name])} if name in TOOLS else _PLUGIN_INSTALLERS
    for way in [way for way in makers if way in pulumi_cli.allowed_ways()]:
        staging = cache / "plugins" / f".new-{name}-{os.getpid()}"
        try:
            staging.mkdir(parents=True)
            makers[way](staging, name, version(name), progress)
            place = _install_folder(name, cache)
            shutil.rmtree(place, ignore_errors=True)
            staging.rename(place)
            return place
        except SourceUnavailable as why:
            failures[way] = str(why)
            progress(wording.way_failed(_title(name), way, str(why).splitlines()[0]))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    raise ToolchainNotFound(_not_found_message(name, failures))


_PLUGIN_INSTALLERS = {"download": sources.download_plugin, "build": sources.build_plugin}


def version(name: str) -> str:
    return TOOLS[name].version if name in TOOLS else metadata.version(f"pulumi-{name}")


def _binary_name(name: str) -> str:
    return name if name in TOOLS else f"pulumi-resource-{name}"


def _install_folder(name: str, cache: Path) -> Path:
    return cache / "plugins" / f"{name}-{version(name)}"


def _title(name: str) -> str:
    return f"{name} {version(name)}" if name in TOOLS else wording.plugin(name, version(name))


def _not_found_message(name: str, failures: dict[str, str]) -> str:
    make_target = name if name in TOOLS else f"plugin-{name}"
    return wording.plugin_not_installed(_title(name), failures, make_target, _binary_name(name))


def main(arguments: Sequence[str] = (), out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """Finds or installs the named plugins and prints the folders to put in front of PATH."""
    try:
        found = [ensure(name, lambda line: print(line, file=err, flush=True)) for name in arguments]
    except ToolchainNotFound as why:
        print(why, file=err)
        return 1
    print(os.pathsep.join(str(folder) for folder in found), file=out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

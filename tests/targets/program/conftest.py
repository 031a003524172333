"""A machine with the target, and a small cloud outside that a project's provider creates resources in."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.demo import demo_world
from orchestrator.demo.cloud.demo_cloud import DemoCloud
from programs.kit.processes import sandbox
from programs.targets.program import projects, settings
from programs.targets.program.projects import AppliedProject, SavedCopy
from programs.targets.program.settings import ProgramHost
from programs.targets.program.target import TARGET
from stacks.toolchain import plugins, pulumi_cli
from tests.targets.local_machine import Repository, new_repository

CLOUD_SHOP = Path(demo_world.__file__).parent / "cloud_shop"
NAME = "shop-gentle-stream-42"
FOREVER = 300


def cloud_shop() -> dict[str, str]:
    """The files of the demo's Pulumi project."""
    paths = [path for path in CLOUD_SHOP.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(CLOUD_SHOP)): path.read_text() for path in paths}


@dataclass
class ProgramMachine:
    folder: Path
    cloud: DemoCloud
    repository: Repository
    changed: dict[str, str] = field(default_factory=dict)

    @property
    def strings(self) -> dict[str, str]:
        return {
            "root": str(self.folder / "root"),
            "routes": str(self.folder / "routes"),
            "url": "http://{host}:8080",
            "egress_allow": "127.0.0.1/32",
            "toolbox": os.pathsep.join([*demo_world.python_prefixes(), str(self.folder / "tools")]),
            "path": os.pathsep.join([str(self.folder / "tools"), demo_world.search_path()]),
            **self.changed,
        }

    @property
    def host(self) -> ProgramHost:
        return settings.from_mapping(self.strings)

    def props(self, files: Mapping[str, str], **project: Any) -> dict[str, Any]:
        """What the inline program passes to the resource, for a new commit with these files."""
        commit = self.repository.push(dict(files))
        return {
            "generation": f"{commit[:12]}-aaaaaa",
            "clone_url": str(self.repository.bare),
            "commit": commit,
            "build": {"command": "chmod +x provider/pulumi-resource-democloud", "timeout": 60},
            "env": {"DEMOCLOUD_TOKEN": self.cloud.token, "DEMOCLOUD_URL": self.cloud.url},
            "secrets": ["DEMOCLOUD_TOKEN"],
            "project": {"folder": ".", "config_file": None, "config": {}, "outputs": {}, "timeout": 100, **project},
            "config": {"eph:name": NAME, "eph:commit": commit, "eph:pr": "42", "eph:host": f"{NAME}.localhost"},
            "approved": False,
            "host": f"{NAME}.localhost",
            "sign_in": False,
            "allow": [],
        }

    def apply(self, files: Mapping[str, str], copy: SavedCopy | None = None, **project: Any) -> AppliedProject:
        return projects.apply(self.host, NAME, self.props(files, **project), copy or SavedCopy())

    def log(self) -> str:
        return (self.host.env(NAME) / "logs" / "pulumi.log").read_text()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgramMachine]:
    """Of which nothing may remain: neither processes nor resources."""
    if not sandbox.works():
        pytest.skip("bubblewrap can't create its namespaces here")
    language = plugins.find_optional(plugins.LANGUAGE_YAML)
    if shutil.which("pulumi") is None or language is None:
        pytest.skip("needs pulumi and pulumi-language-yaml; run `make pulumi-language-yaml`")
    folder = Path(tempfile.mkdtemp(prefix="eph-program-"))
    tools = folder / "tools"
    tools.mkdir()
    folder.chmod(0o755)
    shutil.copy(Path(__file__).with_name("language_host.py"), tools)
    wrapper = tools / "pulumi-language-python"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -B {tools}/language_host.py "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tools), str(language), pulumi_cli.find().path, os.environ["PATH"]]))
    with DemoCloud() as cloud:
        made = ProgramMachine(folder, cloud, new_repository(folder / "repository"))
        TARGET.ensure(made.strings)
        try:
            yield made
        finally:
            TARGET.stop(made.strings)
    shutil.rmtree(folder)

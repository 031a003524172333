"""A machine with the target, and a small cloud outside that a project's provider creates resources in."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.demo import demo_world
from orchestrator.demo.cloud import cloud_repository
from orchestrator.demo.cloud.demo_cloud import DemoCloud
from programs.kit import files
from programs.kit.processes import sandbox
from programs.targets.program import addresses, projects, settings
from programs.targets.program.projects import AppliedProject, SavedCopy
from programs.targets.program.settings import ProgramHost
from programs.targets.program.target import TARGET
from stacks.toolchain import plugins, pulumi_cli
from tests.targets.local_machine import Repository, new_repository
from tests.targets.program import language_hosts

NAME = "shop-gentle-stream-42"
BUILD = "chmod +x provider/pulumi-resource-democloud"


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

    def props(self, content: Mapping[str, str], build: str = BUILD, **project: Any) -> dict[str, Any]:
        """What the inline program passes to the resource, for a new commit with these files."""
        commit = self.repository.push(dict(content))
        return {
            "generation": f"{commit[:12]}-aaaaaa",
            "clone_url": str(self.repository.bare),
            "commit": commit,
            "build": {"command": build, "timeout": 60},
            "env": {"DEMOCLOUD_TOKEN": self.cloud.token, "DEMOCLOUD_URL": self.cloud.url},
            "secrets": ["DEMOCLOUD_TOKEN"],
            "project": {"folder": ".", "config_file": None, "config": {}, "outputs": {}, "timeout": 100, **project},
            "config": {"eph:name": NAME, "eph:commit": commit, "eph:pr": "42", "eph:host": f"{NAME}.localhost"},
            "approved": False,
            "repository": "42",
            "from_fork": False,
            "read_only_cache": False,
            "host": f"{NAME}.localhost",
            "sign_in": False,
            "allow": [],
        }

    def apply(self, content: Mapping[str, str], copy: SavedCopy | None = None, **project: Any) -> AppliedProject:
        return projects.apply(self.host, NAME, self.props(content, **project), copy or SavedCopy())

    def shop(self) -> dict[str, str]:
        """The files of the demo's project."""
        return cloud_repository.files(self.cloud)

    def log(self) -> str:
        return (self.host.env(NAME) / "logs" / "pulumi.log").read_text()


@pytest.fixture(scope="module")
def shared_machine() -> Iterator[ProgramMachine]:
    if not sandbox.works():
        pytest.skip("bubblewrap can't create its namespaces here")
    language = plugins.find_optional(plugins.LANGUAGE_YAML)
    if shutil.which("pulumi") is None or language is None:
        pytest.skip("needs pulumi and pulumi-language-yaml; run `make pulumi-language-yaml`")
    folder = Path(tempfile.mkdtemp(prefix="eph-program-"))
    folder.chmod(0o755)
    tools = files.make_folder(folder / "tools")
    tools.chmod(0o755)
    language_hosts.install(tools)
    path = os.pathsep.join([str(tools), str(language), pulumi_cli.find().path, os.environ["PATH"]])
    with DemoCloud() as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        made = ProgramMachine(folder, cloud, new_repository(folder / "repository"))
        TARGET.ensure(made.strings)
        try:
            yield made
        finally:
            TARGET.stop(made.strings)
    shutil.rmtree(folder)


@pytest.fixture
def machine(shared_machine: ProgramMachine) -> Iterator[ProgramMachine]:
    """With an empty cloud and an empty repository, and no environment at the end."""
    shared_machine.changed = {}
    shared_machine.repository = new_repository(shared_machine.folder / secrets.token_hex(4))
    shared_machine.cloud.items.clear()
    shared_machine.cloud.requests.clear()
    yield shared_machine
    for name in TARGET.list_environments(shared_machine.strings):
        addresses.remove(shared_machine.host, name)

"""The conformance suite on Pulumi projects: the real engine, and the demo's cloud as a provider's outside. Row: T6."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.conformance.suite import Commit, TargetConformance
from orchestrator.demo.cloud import cloud_repository
from orchestrator.demo.cloud.demo_cloud import DemoCloud
from programs.kit.processes import sandbox
from programs.targets.program import settings as program_settings
from stacks.toolchain import plugins

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(900)]

PLUGIN = "provider/pulumi-resource-democloud"


def commit(cloud: DemoCloud, page: str, answers: str = "") -> Commit:
    """The shop's project. Its provider runs on this interpreter, which has Pulumi's SDK."""
    found = cloud_repository.files(cloud)
    plugin = found[PLUGIN].replace("python3", sys.executable)
    secrets, token = "secrets:\n    DEMOCLOUD_TOKEN: democloud", f"DEMOCLOUD_TOKEN: {cloud.token}"
    assert secrets in found["eph.yaml"]
    eph_yaml = found["eph.yaml"].replace(f"  {secrets}", f"    {token}")  # another variable of the environment
    return Commit({**found, PLUGIN: plugin, "eph.yaml": eph_yaml, "page.html": page}, answers)


class TestProgram(TargetConformance):
    target = "program"

    @classmethod
    def writable_folder(cls, settings: Mapping[str, str], name: str) -> Path:
        return program_settings.from_mapping(settings).env(name) / "home" / "left"


@pytest.fixture(scope="class")
def conformance_settings(request: pytest.FixtureRequest) -> Iterator[Mapping[str, Any]]:
    if not sandbox.works():
        pytest.skip("bubblewrap can't create its namespaces here")
    if shutil.which("pulumi") is None or plugins.find_optional(plugins.LANGUAGE_YAML) is None:
        pytest.skip("needs pulumi and pulumi-language-yaml; run `make pulumi-language-yaml`")
    with DemoCloud() as cloud:
        request.cls.first = commit(cloud, "<p>the first page</p>", "the first page")
        request.cls.second = commit(cloud, "<p>the second page</p>", "the second page")
        request.cls.broken = commit(cloud, " ")
        yield {"egress_allow": ("127.0.0.1/32",)}
        assert cloud.items == {}, "counted in the cloud itself"

"""A policy pack of the server in a whole Eph: what the pull request says about its plan. Row: T8."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo.cloud import cloud_repository
from orchestrator.demo.cloud.demo_cloud import DemoCloud
from programs.targets.program.target import TARGET
from stacks.toolchain import plugins
from tests.e2e import site as sites
from tests.e2e.site import Site, wait_until
from tests.targets.program import language_hosts, shop_policies
from tests.targets.program.shop_policies import BLINKING, MOVING, MUST_NOT_MOVE, PLAIN, SHOULD_NOT_BLINK

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.exhaustive, pytest.mark.timeout(400)]

TOML = """[targets]
allowed = ["local", "program"]
[program]
egress_allow = ["127.0.0.1/32"]
policy_packs = ["%s"]
[secrets.democloud]
variable = "CLOUD_TOKEN_OF_TESTS"
repositories = ["acme/shop"]
"""


@pytest.fixture
def tools() -> Iterator[Path]:
    """A folder with language hosts and the pack. The pack contains what it imports, as the documentation says."""
    environment = shop_policies.installed_environment()
    folder = Path(tempfile.mkdtemp(prefix="eph-tools-"))
    folder.chmod(0o755)
    language_hosts.install(folder)
    pack = shop_policies.write_pack(folder / "rules", shop_policies.RUNTIME, shop_policies.PROGRAM)
    shutil.copytree(environment, pack / "venv", symlinks=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def town(tools: Path) -> Iterator[tuple[Site, DemoCloud]]:
    if plugins.find_optional(plugins.LANGUAGE_YAML) is None:
        pytest.skip("needs pulumi-language-yaml; run `make pulumi-language-yaml`")
    with DemoCloud() as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUD_TOKEN_OF_TESTS", cloud.token)
        patch.setenv("PATH", os.pathsep.join([str(tools), os.environ["PATH"]]))
        with sites.running_site(local=TOML % (tools / "rules")) as site:
            yield site, cloud
            site.stop()
            TARGET.stop({"root": str(site.eph_home / "program"), "routes": site.local["routes"]})


def test_pull_request_shows_violations_and_notices_of_policies(town: tuple[Site, DemoCloud]) -> None:
    site, cloud = town
    number, sha = site.open_pull("pages", {**cloud_repository.files(cloud), "page.html": MOVING})
    site.wait_for_comment(number, MUST_NOT_MOVE, sha[:7])
    assert cloud.requests == []
    newer = site.forge.push(sites.REPOSITORY, "pages", {"page.html": BLINKING})
    site.wait_for_comment(number, "Ready", newer[:7], SHOULD_NOT_BLINK)
    assert list(cloud.items.values()) == [BLINKING]
    newest = site.forge.push(sites.REPOSITORY, "pages", {"page.html": PLAIN})
    site.wait_for_comment(number, "Ready", newest[:7])
    assert SHOULD_NOT_BLINK not in site.comment(number)
    site.forge.close_pull(sites.REPOSITORY, number)
    wait_until("it is destroyed", lambda: str(cloud.items or ""), 120)
    wait_until("its stack is gone", lambda: str(site.stacks() or ""))

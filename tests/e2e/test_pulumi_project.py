"""The target `program` in a whole Eph: a Pulumi project is approved, created, updated, killed, and destroyed.

Rows: T8, T7, D1, S5 and L2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orchestrator.demo.cloud import cloud_repository
from orchestrator.demo.cloud.demo_cloud import DemoCloud
from programs.kit.processes import process_table
from programs.targets.program.target import TARGET
from stacks.toolchain import plugins
from tests.e2e import site as sites
from tests.e2e.site import Site, wait_until
from tests.file_trees import all_files

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(400)]

TOML = """[targets]
allowed = ["local", "program"]
[program]
egress_allow = ["127.0.0.1/32"]
approve_first = true
[secrets.democloud]
variable = "CLOUD_TOKEN_OF_TESTS"
repositories = ["acme/shop"]
"""


@dataclass
class CloudSite:
    site: Site
    cloud: DemoCloud

    @property
    def settings(self) -> dict[str, str]:
        return {"root": str(self.site.eph_home / "program"), "routes": self.site.local["routes"]}

    def files(self, page: str) -> dict[str, str]:
        return {**cloud_repository.files(self.cloud), "page.html": page}

    def shows(self, host: str, text: str) -> str:
        """The environment's URL leads to the site in the cloud."""
        page = self.site.page(host)
        name = host.partition(".")[0]
        wanted = (302, f"{self.cloud.url}/sites/{name}/")
        if (page.status, page.headers.get("Location", page.headers.get("location"))) != wanted:
            return f"{page.status} {page.text[:200]!r}; {self.site.log_tail()[-800:]}"
        return "" if text in self.cloud.items.get(("sites", name), "") else f"{self.cloud.items}"


@pytest.fixture(scope="module")
def town() -> Iterator[CloudSite]:
    if plugins.find_optional(plugins.LANGUAGE_YAML) is None:
        pytest.skip("needs pulumi-language-yaml; run `make pulumi-language-yaml`")
    with DemoCloud() as cloud, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUD_TOKEN_OF_TESTS", cloud.token)
        with sites.running_site(local=TOML) as made:
            town = CloudSite(made, cloud)
            yield town
            # What its environments share keeps running when Eph stops, as with every target.
            made.stop()
            TARGET.stop(town.settings)


@pytest.mark.exhaustive
def test_project_is_approved_created_updated_killed_and_destroyed(town: CloudSite) -> None:
    site, cloud = town.site, town.cloud
    number, sha = site.open_pull("infra", town.files("<h1>One</h1>"))
    site.wait_for_comment(number, "needs approval. The plan: +1 create", f"/eph approve {sha}")
    assert cloud.requests == []
    site.forge.comment(sites.REPOSITORY, number, f"/eph approve {sha}", "ada")
    host = site.wait_for_host(number)
    name = host.partition(".")[0]
    wait_until("it is created", lambda: town.shows(host, "One"), 120)
    site.wait_for_comment(number, "Ready", sha[:7])
    assert "create democloud:index:Site page" in site.eph("logs", name).stdout
    state = next(path for path in all_files(site.eph_home / "backend") if path.name == f"pr-{number}.json")
    assert cloud.token not in state.read_text()

    newer = site.forge.push(sites.REPOSITORY, "infra", {"page.html": "<h1>Two</h1>"})
    wait_until("it is updated", lambda: town.shows(host, "Two"), 120)
    site.wait_for_comment(number, "Ready", newer[:7])
    assert json.loads(site.eph("audit", "--output", "json").stdout)["clean"]

    site.forge.push(sites.REPOSITORY, "infra", {"page.html": " "})
    site.wait_for_comment(number, "the content is empty", newer[:7])
    assert "Two" in cloud.items["sites", name]

    site.forge.push(sites.REPOSITORY, "infra", {"page.html": "<h1>Three</h1>"})
    wait_until("the project runs", lambda: "" if runners(site) else "no runner", 90)
    workers = [pid for pid in process_table.pids() if "stacks.worker" in process_table.command_line(pid)]
    process_table.kill([pid for pid in workers if process_table.mentions(pid, str(site.home))])
    wait_until("it continues after the kill", lambda: town.shows(host, "Three"), 120)

    site.forge.close_pull(sites.REPOSITORY, number)
    wait_until("it is destroyed", lambda: str(cloud.items or ""), 120)
    left = site.eph_home / "program"
    wait_until("its folder is gone", lambda: ", ".join(map(str, all_files(left / "envs"))), 90)
    wait_until("its stack is gone", lambda: str(site.stacks() or ""))
    assert [path for path in (left / "uids").glob("*") if path.name != "lock"] == []


def runners(site: Site) -> list[int]:
    lines = ((pid, process_table.command_line(pid)) for pid in process_table.pids())
    return [pid for pid, line in lines if "project_runner.py" in line and process_table.mentions(pid, str(site.home))]

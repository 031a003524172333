"""What teams script by hand, done by a whole ephd on AWS: create, wait for health, run tests, comment, destroy; and the
nightly cleanup of what is stale. T3, L5, P1, P4, C1, C2.

AWS is moto, which records everything; a load balancer beside it answers as its records say.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.demo.ministack import demo_account
from orchestrator.demo.ministack.ministack_process import REGION
from programs.kit.processes import sandbox
from programs.targets.aws import tags
from programs.targets.aws.target import TARGET
from tests.e2e import site as sites
from tests.e2e.site import REPOSITORY, Site, wait_until
from tests.images import registry_server
from tests.targets.aws import account_contents, recorded_load_balancer
from tests.targets.aws.aws_account import AwsAccount, running_account
from tests.targets.aws.aws_stack import install_plugin, uses_official_plugin

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.exhaustive,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(uses_official_plugin(), reason="the official plugin waits for tasks, and moto runs none"),
]
SECONDS = 400.0
EPH_YAML = """
version: "1.0"
name: shop
target: aws
triggers:
  - {{type: pr_label, labels: [preview]}}
environment:
  ttl: {ttl}
  images:
    - {{name: shop, repository: "{repository}", tag_template: ci}}
services:
  - {{name: web, image: shop, port: 8080}}
"""
WITH_DATABASE_AND_TESTS = """
database:
  instances: [{name: main}]
tests:
  - {name: integration, command: python3 check.py}
aws:
  queues: [orders]
"""
CHECK = """
import json, os, urllib.parse, urllib.request
os.environ["no_proxy"] = os.environ["NO_PROXY"] = ""
url = urllib.parse.urlsplit(os.environ["PREVIEW_URL"])  # of this machine: not every system resolves .localhost
request = urllib.request.Request(f"http://127.0.0.1:{url.port}/", headers={"Host": url.netloc})
page = json.load(urllib.request.urlopen(request, timeout=60))
assert page["commit"] == os.environ["EPH_COMMIT"], page
"""
TOML = """
[targets]
allowed = ["aws"]
default = "aws"
[aws]
region = "{region}"
endpoint = "{endpoint}"
subnets = [{subnets}]
listener = "{listener}"
cluster = "{cluster}"
load_balancer_url = "{load_balancer}"
registries = ["{registry}/acme"]
plain_http = ["{registry}"]
architecture = "x86_64"
egress_allow = ["127.0.0.0/8"]
"""


@dataclass
class World:
    site: Site
    account: AwsAccount
    image: str
    before: set[str]

    def files(self, ttl: str = "24h", more: str = "") -> dict[str, str]:
        return {"eph.yaml": EPH_YAML.format(ttl=ttl, repository=self.image) + more, "check.py": CHECK}

    def left(self) -> str:
        """What the account has in addition to what it had before Eph."""
        return "; ".join(sorted(account_contents.everything(self.account) - self.before))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    program = registry_server.registry_program()
    if program is None or not sandbox.works():
        pytest.skip("needs docker-registry and bubblewrap")
    folder = Path(tempfile.mkdtemp(prefix="eph-aws-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        account = stack.enter_context(running_account(patch))
        registry = stack.enter_context(registry_server.open_registry(program, folder / "registry"))
        registry.push("acme/shop", "ci")
        subnets, listener = demo_account.create_shared_parts(account.endpoint)
        balancer = recorded_load_balancer.listening(account.endpoint, listener, demo_account.NAME)
        toml = TOML.format(
            region=REGION,
            endpoint=account.endpoint,
            subnets=", ".join(f'"{item}"' for item in subnets),
            listener=listener,
            cluster=demo_account.NAME,
            load_balancer=stack.enter_context(balancer),
            registry=registry.host,
        )
        (folder / "bin").mkdir()
        install_plugin(folder / "bin", runs_tasks=False)
        patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        before = account_contents.everything(account)
        site = stack.enter_context(sites.running_site(local=toml, files={"README.md": "a shop"}))
        stack.callback(stop, site, account)
        yield World(site, account, f"{registry.host}/acme/shop", before)


def stop(site: Site, account: AwsAccount) -> None:
    """What test suites share outlives ephd."""
    site.stop()
    TARGET.stop(account.settings(root=str(site.eph_home / "aws"), routes=site.local["routes"]))


def test_create_wait_for_health_run_tests_comment_and_destroy(world: World) -> None:
    site = world.site
    number, sha = site.open_pull("feature", world.files(more=WITH_DATABASE_AND_TESTS), label=False)
    site.forge.label(REPOSITORY, number, sites.LABEL)
    host = site.wait_for_host(number, SECONDS)
    wait_until("it is healthy", lambda: serves(site, host, sha), SECONDS)
    site.wait_for_comment(number, "Ready", sha[:7], "integration", "passed", timeout=SECONDS)
    site.wait_for_check(sha, "success")
    assert "rds eph-" in world.left()

    site.forge.close_pull(REPOSITORY, number)
    site.wait_for_comment(number, "Destroyed", timeout=SECONDS)
    assert world.left() == ""


def test_nightly_cleanup_is_not_needed(world: World) -> None:
    """A pull request that was closed while Eph was down, one whose TTL is over, and what no stack accounts for."""
    site, account = world.site, world.account
    closed, closed_sha = site.open_pull("closed", world.files())
    short, _ = site.open_pull("short", world.files(ttl="1m"))
    wait_until("it is live", lambda: serves(site, site.wait_for_host(closed, SECONDS), closed_sha), SECONDS)
    assert "eph" in site.pulumi("stack", "ls", "--all")

    site.kill()
    site.forge.close_pull(REPOSITORY, closed)
    orphan(account, server_of(account))
    assert "eph-lost-orders" in world.left()
    site.start()
    site.wait_for_comment(closed, "Destroyed", timeout=SECONDS)
    site.wait_for_comment(short, "Expired", timeout=SECONDS)

    wait_until("the account is as before", world.left, SECONDS)
    assert site.stacks() == []
    assert site.eph("audit").returncode == 0


def serves(site: Site, host: str, sha: str) -> str:
    page = site.page(host)
    return "" if page.data.get("commit") == sha else f"{page.status} {page.text[:200]!r}; {site.log_tail()[-800:]}"


def server_of(account: AwsAccount) -> str:
    """This Eph's mark, as its resources carry it."""
    found = account.clients().list_all("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList")
    return next(marks[tags.SERVER] for item in found if tags.SERVER in (marks := tags.from_list(item["Tags"])))


def orphan(account: AwsAccount, server: str) -> None:
    """A queue with this Eph's tags, of an environment whose stack was lost."""
    marks = {tags.MANAGED_BY: "eph", tags.SERVER: server, tags.ENVIRONMENT: "shop-lost-sea-9"}
    account.clients().client("sqs").create_queue(QueueName="eph-lost-orders", tags=marks)

"""The conformance suite on AWS, with the real engine and moto as the account. Row: T6.

moto runs no tasks. It counts them as running, and a load balancer answers as its records say; test_real_containers runs
one environment for real. The suite skips what this target doesn't offer, and says so: it detects no drift, because an
update refreshes what AWS has, and nobody can enter, restart or inspect a task from Eph. Nothing that an environment
writes is on this machine, so there are no hostile files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.conformance.suite import Commit, TargetConformance
from orchestrator.demo.ministack import demo_account
from tests.targets.aws import account_contents, recorded_load_balancer
from tests.targets.aws.aws_account import REGION, running_account
from tests.targets.aws.aws_server import Fault
from tests.targets.aws.aws_stack import install_plugin, uses_official_plugin
from tests.targets.aws.recorded_program import IMAGE

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.exhaustive,
    pytest.mark.timeout(900),
    pytest.mark.skipif(uses_official_plugin(), reason="the official plugin waits for tasks, and moto runs none"),
]
EPH_YAML = """
version: "1.0"
name: shop
target: aws
environment:
  env: {{PAGE: "{page}"}}
  images: [{{name: shop, repository: registry.test/acme/shop, tag_template: ci}}]
services: [{{name: web, image: shop, port: 8080}}]
database: {{instances: [{{name: main}}]}}
aws: {{{section}}}
"""
REFUSED = Fault("sqs CreateQueue", "InvalidParameterValue", "no more queues", times=1000)


def commit(page: str, section: str = "buckets: [files]") -> Commit:
    return Commit({"eph.yaml": EPH_YAML.format(page=page, section=section)}, page)


class TestAws(TargetConformance):
    """The broken commit needs a queue, which this account refuses: in the middle of the update."""

    target = "aws"
    images = {"shop": IMAGE}  # noqa: RUF012 - as the suite declares it
    first = commit("the first page")
    second = commit("the second page")
    broken = commit("a page that nobody sees", "buckets: [files], queues: [orders]")


@pytest.fixture(scope="class")
def conformance_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    with pytest.MonkeyPatch.context() as patch, running_account(patch) as account:
        assert account.server
        account.server.faults.append(REFUSED)
        patch.setenv("MOTO_ECS_SERVICE_RUNNING", "1")
        put_plugin_on_path(patch, tmp_path_factory.mktemp("bin"))
        subnets, listener = demo_account.create_shared_parts(account.endpoint)
        before = account_contents.everything(account)
        with recorded_load_balancer.listening(account.endpoint, listener, demo_account.NAME) as load_balancer:
            yield {
                "region": REGION,
                "endpoint": account.endpoint,
                "subnets": subnets,
                "listener": listener,
                "cluster": demo_account.NAME,
                "load_balancer_url": load_balancer,
                "registries": ("registry.test/acme",),
            }
        assert account_contents.everything(account) == before, "as each service lists it"


def put_plugin_on_path(patch: pytest.MonkeyPatch, folder: Path) -> None:
    install_plugin(folder, runs_tasks=False)
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

"""The demo's AWS account: what an operator has before Eph (a network, a load balancer, a cluster), and the shop."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.demo.cluster import ci, oci
from orchestrator.demo.cluster.registry_push import DemoRegistry
from orchestrator.demo.ministack import (
    account_contents,
    load_balancer_port,
    local_registry,
    ministack_process,
    wording,
)
from orchestrator.demo.ministack.errors import MinistackUnavailable
from orchestrator.demo.ministack.ministack_process import REGION, RunningMinistack
from programs.targets.aws import settings
from programs.targets.aws.api.clients import AwsClients

TARGET = "aws"
REPOSITORY_PREFIX = "eph-demo"
NAME = "previews"
DOMAIN = "preview.test"
"""MiniStack takes host names that end with localhost for those of buckets."""
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_EC2_METADATA_DISABLED": "true"}
"""Those of an account that doesn't exist: nothing in the demo can reach AWS."""
_NOT_FOUND = {"ContentType": "text/plain", "StatusCode": "404", "MessageBody": wording.NO_SUCH_PREVIEW}


@dataclass(frozen=True, slots=True)
class DemoAwsAccount:
    ministack: RunningMinistack
    registry: DemoRegistry
    subnets: tuple[str, ...]
    listener: str
    load_balancer_url: str
    before: frozenset[str]
    """What the account contained before Eph started."""

    def settings(self) -> dict[str, Any]:
        """The tables of a server that uses this account."""
        host, architecture = self.registry.host, oci.architecture()
        return {
            "domain": DOMAIN,
            "targets": {"allowed": (TARGET,), "default": TARGET},
            "images": {"architectures": (architecture,)},
            TARGET: {
                "region": REGION,
                "endpoint": self.ministack.endpoint,
                "subnets": self.subnets,
                "listener": self.listener,
                "load_balancer_url": self.load_balancer_url,
                "cluster": NAME,
                "registries": (f"{host}/{REPOSITORY_PREFIX}",),
                "plain_http": (host,),
                "architecture": _ARCHITECTURES[architecture],
            },
        }

    @property
    def shop_image(self) -> str:
        """The repository to which CI pushes."""
        return f"{self.registry.host}/{REPOSITORY_PREFIX}/{ci.SHOP}"

    def leftovers(self) -> list[str]:
        """What the account has in addition to what it had before, by each service's own listing, and containers."""
        found = account_contents.everything(_clients(self.ministack.endpoint)) - self.before
        return [
            *map(wording.left, sorted(found)),
            *map(wording.container_left, self.ministack.containers()),
        ]


def find_python() -> str:
    """Raises ``MinistackUnavailable`` unless everything is installed."""
    if not local_registry.is_installed():
        raise MinistackUnavailable(wording.NOT_INSTALLED)
    return ministack_process.find_python()


@contextlib.contextmanager
def running(python: str, home: Path, say: Callable[[str], None]) -> Iterator[DemoAwsAccount]:
    say(wording.STARTING)
    os.environ.pop("AWS_PROFILE", None)
    os.environ.update(_CREDENTIALS)
    folder = home / "aws"
    folder.mkdir()
    with (
        local_registry.running(folder / "registry") as host,
        ministack_process.running(python, folder / "ministack") as ministack,
    ):
        say(wording.running(ministack.endpoint))
        subnets, listener = create_shared_parts(ministack.endpoint)
        before = frozenset(account_contents.everything(_clients(ministack.endpoint)))
        with load_balancer_port.listening(ministack.endpoint, NAME) as url:
            yield DemoAwsAccount(ministack, DemoRegistry(f"http://{host}"), subnets, listener, url, before)


def _clients(endpoint: str) -> AwsClients:
    """The listener is no fact about the account; the settings only require one."""
    values = {"region": REGION, "server": "demo", "endpoint": endpoint, "subnets": "a,b", "listener": NAME}
    return AwsClients(settings.from_mapping(values))


def create_shared_parts(endpoint: str) -> tuple[tuple[str, ...], str]:
    """What all environments use: two subnets of the account's default network, a load balancer that knows no host name,
    and a cluster. Returns the subnets and the listener."""
    clients = _clients(endpoint)
    ec2, elb = clients.client("ec2"), clients.client("elbv2")
    own = [{"Name": "isDefault", "Values": ["true"]}]
    vpc = ec2.describe_vpcs(Filters=own)["Vpcs"][0]["VpcId"]  # the only one in which MiniStack has load balancers
    found = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    subnets = tuple(sorted(item["SubnetId"] for item in found)[:2])
    group = ec2.create_security_group(GroupName=NAME, Description=wording.LOAD_BALANCER, VpcId=vpc)["GroupId"]
    balancer = elb.create_load_balancer(Name=NAME, Subnets=list(subnets), SecurityGroups=[group])["LoadBalancers"][0]
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": _NOT_FOUND}],
    )["Listeners"][0]
    clients.client("ecs").create_cluster(clusterName=NAME)
    return subnets, str(listener["ListenerArn"])

"""Looks up what the settings refer to before the program runs, so mistakes are found before anything changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from programs.spec import DatabaseSpec
from programs.targets.aws import data_sources
from programs.targets.aws.api import wording
from programs.targets.aws.api.clients import AwsClients, translated
from programs.targets.aws.errors import AwsError
from programs.targets.aws.settings import split_list

ZONES = 2


@dataclass(frozen=True, slots=True)
class FoundSnapshot:
    """``user``: the owner of its data, whose name can't be changed."""

    id: str
    user: str
    taken: datetime
    storage_gb: int


@dataclass(frozen=True, slots=True)
class ExistingParts:
    """``zones``: for an environment's own network. The others are empty unless the settings name shared ones.
    ``listener_scheme`` and ``listener_port``: how visitors connect to the shared load balancer. ``snapshots``: the
    newest one for each database that is restored."""

    zones: tuple[str, ...] = ()
    vpc_id: str = ""
    load_balancer_host: str = ""
    load_balancer_groups: tuple[str, ...] = ()
    listener_scheme: str = ""
    listener_port: int = 0
    snapshots: Mapping[str, FoundSnapshot] = field(default_factory=dict)


def look_up(clients: AwsClients, databases: Sequence[DatabaseSpec] = ()) -> ExistingParts:
    clients.check_account()
    restored = [item for item in databases if item.strategy == data_sources.SNAPSHOT]
    return replace(_network_parts(clients), snapshots={item.name: _snapshot(clients, item) for item in restored})


def _network_parts(clients: AwsClients) -> ExistingParts:
    settings = clients.settings
    if not settings.subnets:
        return ExistingParts(zones=list_zones(clients))
    vpc_id = _network(clients, split_list(settings.subnets))
    if not settings.listener:
        return ExistingParts(vpc_id=vpc_id)
    return _load_balancer(clients, vpc_id)


def list_zones(clients: AwsClients) -> tuple[str, ...]:
    """The first two in alphabetical order, so they don't change between updates."""
    with translated("ec2 DescribeAvailabilityZones"):
        found = clients.client("ec2").describe_availability_zones(
            Filters=[{"Name": "state", "Values": ["available"]}, {"Name": "zone-type", "Values": ["availability-zone"]}]
        )["AvailabilityZones"]
    return tuple(sorted(item["ZoneName"] for item in found)[:ZONES])


def _network(clients: AwsClients, subnets: tuple[str, ...]) -> str:
    with translated(wording.READING_SUBNETS):
        found = clients.client("ec2").describe_subnets(SubnetIds=list(subnets))["Subnets"]
    vpcs, zones = {item["VpcId"] for item in found}, {item["AvailabilityZone"] for item in found}
    if len(vpcs) != 1 or len(zones) < ZONES:
        raise AwsError(wording.unsuitable_subnets(len(vpcs), len(zones)))
    return str(vpcs.pop())


def _load_balancer(clients: AwsClients, vpc_id: str) -> ExistingParts:
    listener = clients.settings.listener
    with translated(wording.READING_LISTENER):
        client = clients.client("elbv2")
        at = client.describe_listeners(ListenerArns=[listener])["Listeners"][0]
        found = client.describe_load_balancers(LoadBalancerArns=[at["LoadBalancerArn"]])["LoadBalancers"][0]
    if found["VpcId"] != vpc_id:
        raise AwsError(wording.listener_elsewhere(found["VpcId"], vpc_id))
    return ExistingParts(
        vpc_id=vpc_id,
        load_balancer_host=found["DNSName"],
        load_balancer_groups=tuple(sorted(found.get("SecurityGroups", []))),
        listener_scheme=str(at["Protocol"]).lower(),
        listener_port=int(at["Port"]),
    )


def _snapshot(clients: AwsClients, item: DatabaseSpec) -> FoundSnapshot:
    """The newest one of the instance: AWS creates one each day."""
    instance = data_sources.snapshot_source(clients.settings, item).instance
    listed = clients.list_all("rds", "describe_db_snapshots", "DBSnapshots", DBInstanceIdentifier=instance)
    found = [one for one in listed if one["Status"] == "available" and one["Engine"] == "postgres"]
    if not found:
        raise AwsError(wording.no_snapshot(instance))
    newest = max(found, key=lambda one: one["SnapshotCreateTime"])
    if not newest.get("Encrypted"):
        raise AwsError(wording.snapshot_not_encrypted(newest["DBSnapshotIdentifier"]))
    return FoundSnapshot(
        newest["DBSnapshotIdentifier"],
        newest["MasterUsername"],
        newest["SnapshotCreateTime"],
        newest["AllocatedStorage"],
    )

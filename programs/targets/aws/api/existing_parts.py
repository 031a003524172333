"""What the settings refer to, looked up before the program runs: a mistake is found before anything changes."""

from __future__ import annotations

from dataclasses import dataclass

from programs.targets.aws.api import wording
from programs.targets.aws.api.clients import AwsClients, translated
from programs.targets.aws.errors import AwsError
from programs.targets.aws.settings import split_list

ZONES = 2


@dataclass(frozen=True, slots=True)
class ExistingParts:
    """``zones``: for an environment's own network. The others are empty unless the settings name shared ones.
    ``listener_scheme`` and ``listener_port``: how visitors connect to the shared load balancer."""

    zones: tuple[str, ...] = ()
    vpc_id: str = ""
    load_balancer_host: str = ""
    load_balancer_groups: tuple[str, ...] = ()
    listener_scheme: str = ""
    listener_port: int = 0


def look_up(clients: AwsClients) -> ExistingParts:
    clients.check_account()
    settings = clients.settings
    if not settings.subnets:
        return ExistingParts(zones=_zones(clients))
    vpc_id = _network(clients, split_list(settings.subnets))
    if not settings.listener:
        return ExistingParts(vpc_id=vpc_id)
    return _load_balancer(clients, vpc_id)


def _zones(clients: AwsClients) -> tuple[str, ...]:
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

"""What single resources cost right now, for an audit: there is no spec to estimate an orphan's cost from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from programs.costs import ZERO, PriceList
from programs.inventory import HeldResource
from programs.targets.aws.api import inventory
from programs.targets.aws.api import wording as api_wording
from programs.targets.aws.api.clients import AwsClients, missing_ignored
from programs.targets.aws.pricing.price_data import cpu_item, instance_item, memory_item, on_spot

FREE_KINDS = frozenset(
    {
        inventory.ROUTE,
        "ec2:internet-gateway",
        "ec2:route-table",
        "ec2:security-group",
        "ec2:subnet",
        "ec2:vpc",
        "ecs:cluster",
        "ecs:task-definition",
        "elasticloadbalancing:listener",
        "elasticloadbalancing:listener-rule",
        "elasticloadbalancing:targetgroup",
        "iam:role",
        "rds:subgrp",
        "route53:record",
        "servicediscovery:namespace",
        "sqs:queue",
    }
)
"""AWS charges for them only when they are used. Buckets and log groups aren't among them: their content costs money,
and how much is in them isn't known."""
_STORAGE_ITEMS = {"gp3": "rds_gp3"}
_RUNNING = frozenset({"available", "backing-up", "modifying", "rebooting", "starting", "creating"})
_SPOT = "FARGATE_SPOT"
_UNITS = Decimal(1024)
Price = Callable[[AwsClients, inventory.AwsResource, PriceList], Decimal | None]


def hourly_prices(
    clients: AwsClients, resources: Sequence[HeldResource], prices: PriceList
) -> Mapping[HeldResource, Decimal]:
    """Leaves out resources whose price isn't known. The account is only listed if one of them must be described."""
    priced = {resource: ZERO for resource in resources if resource.kind in FREE_KINDS}
    charged = [resource for resource in resources if resource.kind in _PRICES]
    listed = inventory.list_all(clients) if charged else ()
    found = {(item.kind, item.name, item.environment): item for item in listed}
    for resource in charged:
        item = found.get((resource.kind, resource.name, resource.environment))
        price = _price(clients, item, prices) if item else None
        if price is not None:
            priced[resource] = price
    return priced


def _price(clients: AwsClients, item: inventory.AwsResource, prices: PriceList) -> Decimal | None:
    found: list[Decimal | None] = []
    with missing_ignored(api_wording.describing(item.kind, item.name)):
        found.append(_PRICES[item.kind](clients, item, prices))
    return found[0] if found else ZERO  # it has been deleted meanwhile


def _amount(prices: PriceList, item: str, count: Decimal | int = 1) -> Decimal | None:
    listed = prices.get(item)
    return None if listed is None or listed.hourly is None else listed.hourly * count


def _sum(*amounts: Decimal | None) -> Decimal | None:
    """Unknown if one of them is: a partial price would look like the whole price."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, ZERO) if len(known) == len(amounts) else None


def _database(clients: AwsClients, item: inventory.AwsResource, prices: PriceList) -> Decimal | None:
    found = clients.client("rds").describe_db_instances(DBInstanceIdentifier=item.name)["DBInstances"][0]
    storage = _amount(prices, _STORAGE_ITEMS.get(found.get("StorageType", ""), ""), found["AllocatedStorage"])
    runs = found["DBInstanceStatus"] in _RUNNING
    return _sum(storage, _amount(prices, instance_item(found["DBInstanceClass"])) if runs else ZERO)


def _load_balancer(clients: AwsClients, item: inventory.AwsResource, prices: PriceList) -> Decimal | None:
    found = clients.client("elbv2").describe_load_balancers(LoadBalancerArns=[item.id])["LoadBalancers"][0]
    addresses = 0 if found.get("Scheme") == "internal" else len(found.get("AvailabilityZones", ()))
    return _sum(_amount(prices, "load_balancer"), _amount(prices, "public_ipv4", addresses))


def _service(clients: AwsClients, item: inventory.AwsResource, prices: PriceList) -> Decimal | None:
    client, cluster = clients.client("ecs"), item.id.split("/")[1]
    found = client.describe_services(cluster=cluster, services=[item.id])["services"]
    if not found or not found[0]["desiredCount"]:
        return ZERO
    definition = client.describe_task_definition(taskDefinition=found[0]["taskDefinition"])["taskDefinition"]
    task = _task(definition, on_spot(prices) if _uses_spot(found[0]) else prices)
    return None if task is None else task * int(found[0]["desiredCount"])


def _task(definition: Mapping[str, Any], prices: PriceList) -> Decimal | None:
    if not {"cpu", "memory"} <= definition.keys():
        return None  # not on Fargate
    platform = definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64").lower()
    return _sum(
        _amount(prices, cpu_item(platform), Decimal(definition["cpu"]) / _UNITS),
        _amount(prices, memory_item(platform), Decimal(definition["memory"]) / _UNITS),
        _amount(prices, "public_ipv4"),
    )


def _uses_spot(service: Mapping[str, Any]) -> bool:
    return any(item["capacityProvider"] == _SPOT for item in service.get("capacityProviderStrategy", ()))


_PRICES: Mapping[str, Price] = {
    "ecs:service": _service,
    "elasticloadbalancing:loadbalancer": _load_balancer,
    "rds:db": _database,
    "secretsmanager:secret": lambda _clients, _item, prices: _amount(prices, "secret"),
}

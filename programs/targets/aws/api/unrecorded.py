"""Removes what an operation created before it was killed, if Pulumi never recorded it (L2, L8).

The next update would fail because the name is taken, or leave a second VPC behind. So everything that has the
environment's tags and isn't in the state is removed first, and the update creates it again. Parts that have no tags,
such as the rules of a security group, are compared one by one. Nothing uses a part that the state doesn't contain,
because Pulumi creates dependents later.
"""

from __future__ import annotations

from typing import Any

from programs.targets.aws.api import inventory, removal, wording
from programs.targets.aws.api.clients import AwsClients, missing_ignored
from programs.targets.aws.api.inventory import AwsResource

_LEFT_ALONE = ("ecs:task",)
"""Most belong to a service. One that a killed operation started ends on its own."""


def remove(
    clients: AwsClients, environment: str, recorded: frozenset[str], poll_seconds: float = removal.POLL_SECONDS
) -> bool:
    """Returns whether anything was removed. ``recorded``: the IDs of all resources in the state."""

    def unrecorded() -> list[AwsResource]:
        return [
            item
            for item in inventory.list_environment(clients, environment)
            if item.kind not in _LEFT_ALONE and not _is_recorded(clients, item, recorded)
        ]

    resources = inventory.list_environment(clients, environment)
    removed_parts = _remove_parts(clients, resources, recorded)
    found = unrecorded()
    removed = removal.remove_listed(clients, environment, unrecorded, poll_seconds)
    removal.wait_for_databases(clients, found, poll_seconds)
    return removed or removed_parts


def _is_recorded(clients: AwsClients, item: AwsResource, recorded: frozenset[str]) -> bool:
    """Pulumi's IDs are ARNs or names, with these exceptions."""
    match item.kind:
        case inventory.ROUTE:
            return f"{item.environment}/{item.id}" in recorded
        case "route53:record":
            return any(text.endswith(f"_{item.id}_CNAME") for text in recorded)
        case "ecs:task-definition":  # its family: an old revision does no harm
            return item.id.rpartition("/")[2].partition(":")[0] in recorded
        case "servicediscovery:namespace":
            return item.id.rpartition("/")[2] in recorded
        case "sqs:queue":
            return any(text.endswith(f"/{item.name}") for text in recorded)
        case "rds:db":
            return bool(_database_ids(clients, item.name) & recorded)
    return bool({item.id, item.name} & recorded)


def _database_ids(clients: AwsClients, name: str) -> set[str]:
    found = {name}
    with missing_ignored(wording.reading_database(name)):
        described = clients.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        found |= {str(item["DbiResourceId"]) for item in described if item.get("DbiResourceId")}
    return found


def _remove_parts(clients: AwsClients, resources: list[AwsResource], recorded: frozenset[str]) -> bool:
    """Removes parts of resources that are recorded themselves; the parts of others are deleted with them."""
    ids = {
        kind: [item.id for item in resources if item.kind == kind and item.id in recorded]
        for kind in ("ec2:security-group", "ec2:route-table", "elasticloadbalancing:loadbalancer")
    }
    removed = [
        *_rules(clients, ids["ec2:security-group"], recorded),
        *_routes(clients, ids["ec2:route-table"], recorded),
        *_listeners(clients, ids["elasticloadbalancing:loadbalancer"], recorded),
    ]
    return bool(removed)


def _rules(clients: AwsClients, groups: list[str], recorded: frozenset[str]) -> list[str]:
    client, removed = clients.client("ec2"), []
    found: list[dict[str, Any]] = []
    if groups:
        filters = [{"Name": "group-id", "Values": groups}]
        found = clients.list_all("ec2", "describe_security_group_rules", "SecurityGroupRules", Filters=filters)
    for rule in found:
        id_ = rule["SecurityGroupRuleId"]
        if id_ not in recorded:
            revoke = client.revoke_security_group_egress if rule["IsEgress"] else client.revoke_security_group_ingress
            with missing_ignored(wording.deleting_rule(id_)):
                revoke(GroupId=rule["GroupId"], SecurityGroupRuleIds=[id_])
            removed.append(id_)
    return removed


def _routes(clients: AwsClients, tables: list[str], recorded: frozenset[str]) -> list[str]:
    """Pulumi's ID of a route starts with its table's; our tables have one route each."""
    client, removed = clients.client("ec2"), []
    found: list[dict[str, Any]] = []
    if tables:
        found = clients.list_all("ec2", "describe_route_tables", "RouteTables", RouteTableIds=tables)
    for table in found:
        id_ = table["RouteTableId"]
        for route in table["Routes"]:
            own = str(route.get("GatewayId", "")).startswith("igw-")
            if own and not any(text.startswith(f"r-{id_}") for text in recorded):
                with missing_ignored(wording.deleting_route(id_)):
                    client.delete_route(RouteTableId=id_, DestinationCidrBlock=route["DestinationCidrBlock"])
                removed.append(id_)
        for association in table["Associations"]:
            part = association["RouteTableAssociationId"]
            if not association.get("Main") and part not in recorded:
                with missing_ignored(wording.deleting_association(part)):
                    client.disassociate_route_table(AssociationId=part)
                removed.append(part)
    return removed


def _listeners(clients: AwsClients, balancers: list[str], recorded: frozenset[str]) -> list[str]:
    removed = []
    for balancer in balancers:
        with missing_ignored(wording.reading_listeners(balancer)):
            for item in clients.list_all("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer):
                if item["ListenerArn"] not in recorded:
                    clients.client("elbv2").delete_listener(ListenerArn=item["ListenerArn"])
                    removed.append(item["ListenerArn"])
    return removed

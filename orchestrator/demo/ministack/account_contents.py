"""Everything in an account, asked of each service: what Eph's inventory by tag must not be trusted to know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from programs.targets.aws.api.clients import AwsClients

_EC2 = (
    ("describe_vpcs", "Vpcs", "VpcId"),
    ("describe_subnets", "Subnets", "SubnetId"),
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("describe_route_tables", "RouteTables", "RouteTableId"),
    ("describe_security_groups", "SecurityGroups", "GroupId"),
)
_OTHERS = (
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn"),
    ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupArn"),
    ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    ("rds", "describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("secretsmanager", "list_secrets", "SecretList", "ARN"),
    ("servicediscovery", "list_namespaces", "Namespaces", "Id"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("s3", "list_buckets", "Buckets", "Name"),
)


def everything(clients: AwsClients) -> set[str]:
    """A line for each, such as ``rds eph-shop-main-1``, also for what AWS itself created."""
    return set(_lines(clients))


def _lines(clients: AwsClients) -> Iterator[str]:
    for operation, key, id_ in _EC2:
        yield from (f"ec2 {item[id_]}" for item in clients.list_all("ec2", operation, key))
    for service, operation, key, id_ in _OTHERS:
        found: dict[str, Any] = getattr(clients.client(service), operation)()
        yield from (f"{service} {item[id_]}" for item in found[key])
    yield from (f"sqs {url}" for url in clients.client("sqs").list_queues().get("QueueUrls", []))
    yield from _rules(clients)
    yield from _ecs(clients.client("ecs"))
    if zone := clients.settings.zone:
        for record in clients.list_all("route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone):
            yield f"route53 {record['Type']} {record['Name']}"


def _rules(clients: AwsClients) -> Iterator[str]:
    """For host names; a listener's default rule goes with it."""
    client = clients.client("elbv2")
    for balancer in client.describe_load_balancers()["LoadBalancers"]:
        for listener in client.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
            rules = client.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
            yield from (f"elbv2 {rule['RuleArn']}" for rule in rules if not rule["IsDefault"])


def _ecs(ecs: Any) -> Iterator[str]:
    """Inactive clusters and services can't be deleted; AWS forgets them."""
    for cluster in ecs.list_clusters()["clusterArns"]:
        if ecs.describe_clusters(clusters=[cluster])["clusters"][0]["status"] != "INACTIVE":
            yield f"ecs {cluster}"
            arns = ecs.list_services(cluster=cluster)["serviceArns"]
            found = ecs.describe_services(cluster=cluster, services=arns)["services"] if arns else []
            yield from (f"ecs {item['serviceArn']}" for item in found if item["status"] != "INACTIVE")
            yield from (f"ecs {arn}" for arn in ecs.list_tasks(cluster=cluster)["taskArns"])
    for status in ("ACTIVE", "INACTIVE"):
        yield from (f"ecs {arn}" for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"])

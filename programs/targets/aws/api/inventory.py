"""Everything on AWS that carries this server's tags, read from AWS itself (C2).

The Resource Groups Tagging API lists most services. EC2's own listing is read too, because it is never stale, and so
are those of subnet groups, namespaces and the shared load balancer's rules. Roles are found by their path and DNS
records by their ownership record, because neither can be searched by tag; buckets by their name, too, because a killed
operation may not have tagged one.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from programs.inventory import HeldResource
from programs.targets.aws import dns_ownership, gateway_routes, names, tags
from programs.targets.aws.api import wording
from programs.targets.aws.api.clients import AwsClients, missing_ignored, translated
from programs.targets.aws.settings import AwsSettings

ROUTE = "gateway:route"
_TAGS_BATCH = 20
"""As many resources as ELB describes the tags of in one request."""
_CHECKED_KINDS = ("ecs:cluster", "ecs:service", "ecs:task-definition")


@dataclass(frozen=True, slots=True, order=True)
class AwsResource:
    """``kind``: the service and the type in its ARN, such as ``rds:db``. ``id`` is the ARN; for EC2, the resource's own
    ID; for roles and records, the name."""

    kind: str
    id: str
    environment: str

    @property
    def name(self) -> str:
        return self.id.rsplit(":", 1)[-1] if self.id.startswith("arn:") else self.id


def list_all(clients: AwsClients) -> list[AwsResource]:
    """Raises if any of them can't be read: a partial inventory must not look complete."""
    found = {
        *_tagged(clients),
        *_ec2(clients),
        *_database_subnet_groups(clients),
        *_namespaces(clients),
        *_shared_rules(clients),
        *_buckets(clients),
        *_roles(clients),
        *_records(clients),
        *_routes(clients),
    }
    return sorted(found)


def list_environment(clients: AwsClients, name: str) -> list[AwsResource]:
    return [item for item in list_all(clients) if item.environment == name]


def list_held(clients: AwsClients) -> list[HeldResource]:
    """For an audit, which compares them with Pulumi's state."""
    resources = [item for item in list_all(clients) if item.environment]
    databases: dict[str, str] = {}
    if any(item.kind == "rds:db" for item in resources):
        found = clients.list_all("rds", "describe_db_instances", "DBInstances")
        databases = {item["DBInstanceIdentifier"]: item.get("DbiResourceId", "") for item in found}
    return [to_held(item, clients.settings, databases.get(item.name, "")) for item in resources]


def to_held(resource: AwsResource, settings: AwsSettings, database_id: str = "") -> HeldResource:
    """``database_id``: Pulumi's ID of a database, which isn't its name."""
    return HeldResource(
        resource.kind,
        resource.name,
        resource.environment,
        _state_id(resource, settings, database_id),
        _removal_command(resource, settings),
    )


def _state_id(resource: AwsResource, settings: AwsSettings, database_id: str) -> str:
    """Its type and ID in Pulumi's state. Empty if that isn't certain: an audit then reports it only if its whole
    environment is unknown."""
    match resource.kind:
        case "gateway:route":
            return f"LoadBalancerRoute:{resource.environment}/{resource.id}"
        case "ecs:task-definition":  # its family: an old revision does no harm
            return f"TaskDefinition:{resource.id.rpartition('/')[2].partition(':')[0]}"
        case "rds:db":
            return f"Instance:{database_id}" if database_id else ""
        case "route53:record":
            return f"Record:{settings.zone}_{resource.id}_CNAME"
        case "servicediscovery:namespace":
            return f"HttpNamespace:{resource.id.rpartition('/')[2]}"
    if type_ := _TYPES_BY_ID.get(resource.kind):
        return f"{type_}:{resource.id}"
    type_ = _TYPES_BY_NAME.get(resource.kind, "")
    return f"{type_}:{resource.name}" if type_ else ""


def _tagged(clients: AwsClients) -> Iterator[AwsResource]:
    filters = [
        {"Key": tags.MANAGED_BY, "Values": ["eph"]},
        {"Key": tags.SERVER, "Values": [tags.tag_value(clients.settings.server)]},
    ]
    found = clients.list_all("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=filters)
    environments = {item["ResourceARN"]: tags.from_list(item["Tags"]).get(tags.ENVIRONMENT, "") for item in found}
    checked = [arn for arn in environments if kind(arn) in _CHECKED_KINDS]
    live = _live_ecs(clients, checked) if checked else frozenset()
    for arn, environment in environments.items():
        if kind(arn).partition(":")[0] not in ("ec2", "iam") and (arn in live or arn not in checked):
            yield AwsResource(kind(arn), arn, environment)


def _live_ecs(clients: AwsClients, arns: Iterable[str]) -> frozenset[str]:
    """Those that exist, in a few requests: ECS keeps listing deleted ones with their tags."""
    client, by_cluster = clients.client("ecs"), defaultdict[str, list[str]](list)
    clusters = [arn for arn in arns if kind(arn) == "ecs:cluster"]
    for arn in arns:
        if kind(arn) == "ecs:service":
            by_cluster[arn.split("/")[1]].append(arn)
    live: set[str] = set()
    for status in ("ACTIVE", "INACTIVE"):
        live |= set(clients.list_all("ecs", "list_task_definitions", "taskDefinitionArns", status=status))
    for batch in _batches(clusters, 100):
        with translated("ecs DescribeClusters"):
            found = client.describe_clusters(clusters=batch)["clusters"]
        live |= {item["clusterArn"] for item in found if item["status"] != "INACTIVE"}
    for cluster, services in by_cluster.items():
        for batch in _batches(services, 10):
            with missing_ignored("ecs DescribeServices"):
                found = client.describe_services(cluster=cluster, services=batch)["services"]
                live |= {item["serviceArn"] for item in found if item["status"] != "INACTIVE"}
    return frozenset(live)


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def kind(arn: str) -> str:
    """``rds:db``, ``ecs:service``; ``s3:bucket`` and ``sqs:queue``, whose ARNs name no type."""
    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
    if service in ("s3", "sqs"):
        return {"s3": "s3:bucket", "sqs": "sqs:queue"}[service]
    return f"{service}:{rest.replace('/', ':').split(':')[0]}"


def _ec2(clients: AwsClients) -> Iterator[AwsResource]:
    filters = [{"Name": f"tag:{tags.SERVER}", "Values": [tags.tag_value(clients.settings.server)]}]
    for type_, operation, key, id_ in (
        ("vpc", "describe_vpcs", "Vpcs", "VpcId"),
        ("subnet", "describe_subnets", "Subnets", "SubnetId"),
        ("internet-gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        ("route-table", "describe_route_tables", "RouteTables", "RouteTableId"),
        ("security-group", "describe_security_groups", "SecurityGroups", "GroupId"),
    ):
        for item in clients.list_all("ec2", operation, key, Filters=filters):
            yield AwsResource(f"ec2:{type_}", item[id_], tags.from_list(item["Tags"]).get(tags.ENVIRONMENT, ""))


def _database_subnet_groups(clients: AwsClients) -> Iterator[AwsResource]:
    """They block the deletion of subnets, so they are read from RDS itself, whatever the Tagging API knows."""
    for group in clients.list_all("rds", "describe_db_subnet_groups", "DBSubnetGroups"):
        if group["DBSubnetGroupName"].startswith(f"{names.PREFIX}-"):
            arn = group["DBSubnetGroupArn"]
            with missing_ignored("rds ListTagsForResource"):
                about = tags.from_list(clients.client("rds").list_tags_for_resource(ResourceName=arn)["TagList"])
                if about.get(tags.SERVER) == tags.tag_value(clients.settings.server):
                    yield AwsResource("rds:subgrp", arn, about.get(tags.ENVIRONMENT, ""))


def _namespaces(clients: AwsClients) -> Iterator[AwsResource]:
    """From Cloud Map itself: nothing else would find one that a killed operation created and Pulumi never recorded."""
    client = clients.client("servicediscovery")
    for namespace in clients.list_all("servicediscovery", "list_namespaces", "Namespaces"):
        if namespace["Name"].startswith(f"{names.PREFIX}-"):
            arn = namespace["Arn"]
            with missing_ignored("servicediscovery ListTagsForResource"):
                about = tags.from_list(client.list_tags_for_resource(ResourceARN=arn)["Tags"])
                if about.get(tags.SERVER) == tags.tag_value(clients.settings.server):
                    yield AwsResource("servicediscovery:namespace", arn, about.get(tags.ENVIRONMENT, ""))


def _shared_rules(clients: AwsClients) -> Iterator[AwsResource]:
    """From the shared listener itself: a rule blocks the deletion of its target group, and nothing else would find one
    that a killed operation created a moment ago."""
    listener = clients.settings.listener
    found = clients.list_all("elbv2", "describe_rules", "Rules", ListenerArn=listener) if listener else []
    for batch in _batches([rule["RuleArn"] for rule in found if not rule["IsDefault"]], _TAGS_BATCH):
        for arn, about in _rule_tags(clients, batch).items():
            if about.get(tags.SERVER) == tags.tag_value(clients.settings.server):
                yield AwsResource("elasticloadbalancing:listener-rule", arn, about.get(tags.ENVIRONMENT, ""))


def _rule_tags(clients: AwsClients, arns: list[str]) -> dict[str, dict[str, str]]:
    """Without rules that were deleted since they were listed. One of them fails the request for all."""
    found: list[dict[str, Any]] = []
    with missing_ignored("elbv2 DescribeTags"):
        found = clients.client("elbv2").describe_tags(ResourceArns=arns)["TagDescriptions"]
    if not found and len(arns) > 1:
        return {arn: about for one in arns for arn, about in _rule_tags(clients, [one]).items()}
    return {item["ResourceArn"]: tags.from_list(item["Tags"]) for item in found}


def _buckets(clients: AwsClients) -> Iterator[AwsResource]:
    """By name, which contains a hash of the server and the environment: a bucket is tagged only after its creation."""
    for bucket in clients.list_all("s3", "list_buckets", "Buckets"):
        environment = names.environment_of(bucket["Name"], names.BUCKET, clients.settings.server)
        if environment:
            yield AwsResource("s3:bucket", f"arn:aws:s3:::{bucket['Name']}", environment)


def _roles(clients: AwsClients) -> Iterator[AwsResource]:
    path = names.iam_path(clients.settings.server)
    for role in clients.list_all("iam", "list_roles", "Roles", PathPrefix=path):
        with missing_ignored("iam ListRoleTags"):
            about = tags.from_list(clients.client("iam").list_role_tags(RoleName=role["RoleName"])["Tags"])
            if about.get(tags.SERVER) == tags.tag_value(clients.settings.server):
                yield AwsResource("iam:role", role["RoleName"], about.get(tags.ENVIRONMENT, ""))


def _records(clients: AwsClients) -> Iterator[AwsResource]:
    zone = clients.settings.zone
    if not zone:
        return
    with translated(wording.READING_RECORDS):
        found = clients.list_all("route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone)
    for item in found:
        host = dns_ownership.owned_host(item["Name"])
        owners = [dns_ownership.parse_owner(value["Value"]) for value in item.get("ResourceRecords", [])]
        for server, environment in filter(None, owners if host and item["Type"] == "TXT" else []):
            if server == clients.settings.server:
                yield AwsResource("route53:record", host, environment)


def _routes(clients: AwsClients) -> Iterator[AwsResource]:
    """The files that lead from Eph's gateway to the load balancer."""
    for route in gateway_routes.list_routes(clients.settings.routes):
        yield AwsResource(ROUTE, route.host, route.environment)


_TYPES_BY_ID = {
    "ec2:internet-gateway": "InternetGateway",
    "ec2:route-table": "RouteTable",
    "ec2:security-group": "SecurityGroup",
    "ec2:subnet": "Subnet",
    "ec2:vpc": "Vpc",
    "ecs:cluster": "Cluster",
    "ecs:service": "Service",
    "elasticloadbalancing:loadbalancer": "LoadBalancer",
    "elasticloadbalancing:listener": "Listener",
    "elasticloadbalancing:listener-rule": "ListenerRule",
    "elasticloadbalancing:targetgroup": "TargetGroup",
    "secretsmanager:secret": "Secret",
}
_TYPES_BY_NAME = {
    "iam:role": "Role",
    "logs:log-group": "LogGroup",
    "rds:subgrp": "SubnetGroup",
    "s3:bucket": "Bucket",
}
"""Pulumi's types whose IDs are the ARN or AWS's own ID, and those whose IDs are the name."""
_COMMANDS: dict[str, Callable[[AwsResource], list[str]]] = {
    "ecs:service": lambda one: ["ecs", "delete-service", "--force", "--service", one.id],
    "rds:db": lambda one: [
        "rds", "delete-db-instance", "--skip-final-snapshot", "--db-instance-identifier", one.name
    ],
    "s3:bucket": lambda one: ["s3", "rb", "--force", f"s3://{one.name}"],
    "ec2:vpc": lambda one: ["ec2", "delete-vpc", "--vpc-id", one.id],
    "ec2:security-group": lambda one: ["ec2", "delete-security-group", "--group-id", one.id],
    "iam:role": lambda one: ["iam", "delete-role", "--role-name", one.id],
    "sqs:queue": lambda one: ["sqs", "delete-queue", "--queue-url", one.name],
    "elasticloadbalancing:loadbalancer": lambda one: [
        "elbv2", "delete-load-balancer", "--load-balancer-arn", one.id
    ],
    "secretsmanager:secret": lambda one: [
        "secretsmanager", "delete-secret", "--force-delete-without-recovery", "--secret-id", one.id
    ],
}  # fmt: skip


def _removal_command(resource: AwsResource, settings: AwsSettings) -> str:
    """Empty for what is deleted with another resource, or needs several commands: `eph sweep` removes it."""
    if resource.kind == ROUTE:
        return shlex.join(["rm", "-f", f"{settings.routes}/{resource.id}.json"])
    command = _COMMANDS.get(resource.kind)
    return shlex.join(["aws", *command(resource), "--region", settings.region]) if command else ""

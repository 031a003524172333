"""Removes an environment's resources by tag, without Pulumi's state, in the order that AWS allows.

Every step is idempotent: what is already gone counts as removed. Databases are deleted early and awaited late,
because AWS takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from botocore.exceptions import ClientError

from programs.kit import waiting
from programs.targets.aws import dns_ownership, gateway_routes
from programs.targets.aws.api import inventory, wording
from programs.targets.aws.api.clients import AwsClients, is_missing, missing_ignored
from programs.targets.aws.api.inventory import AwsResource
from programs.targets.aws.errors import AwsError

WAIT_SECONDS = 1800.0
POLL_SECONDS = 5.0
BUSY_POLL_SECONDS = 30.0
WRONG_STATE = ("InvalidDBInstanceState", "InvalidDBInstanceStateFault")
_ATTEMPTS = 6
Remove = Callable[[AwsClients, AwsResource], None]


class DatabaseBusy(AwsError):
    """AWS has refused to delete a database for so long that an immediate retry would be useless."""


def purge(clients: AwsClients, environment: str, poll_seconds: float = POLL_SECONDS) -> None:
    """Removes everything of the environment. Raises if something can't be removed, after removing all else."""
    remove_listed(clients, environment, lambda: inventory.list_environment(clients, environment), poll_seconds)


def remove_listed(
    clients: AwsClients, environment: str, list_them: Callable[[], list[AwsResource]], poll_seconds: float
) -> bool:
    """Removes what is listed, in a few attempts. Returns whether there was anything."""
    clients.check_account()
    resources = first = list_them()
    failures: dict[AwsResource, AwsError] = {}
    for _ in range(_ATTEMPTS):
        failures = _remove_all(clients, resources, poll_seconds)
        if not failures or any(isinstance(error, DatabaseBusy) for error in failures.values()):
            break
        clients.clock.pause(poll_seconds)
        resources = list_them()
    if failures:
        lines = [f"{resource.kind} {resource.name}: {error.sentence}" for resource, error in failures.items()]
        raise AwsError(wording.cannot_remove(len(failures), environment), lines)
    return bool(first)


def remove(clients: AwsClients, resource: AwsResource) -> bool:
    """Removes one resource. Returns False if only the whole environment can be removed."""
    remove_one = _REMOVERS.get(resource.kind)
    if remove_one is None:
        return False
    with missing_ignored(wording.deleting(resource.kind, resource.name)):
        remove_one(clients, resource)
    return True


def _remove_all(
    clients: AwsClients, resources: Iterable[AwsResource], poll_seconds: float
) -> dict[AwsResource, AwsError]:
    """One that fails doesn't stop the others. Returns those that failed."""
    order, failures = list(_REMOVERS), {}
    known = [item for item in resources if item.kind in _REMOVERS]
    for resource in sorted(known, key=lambda item: (order.index(item.kind), item.id)):
        if resource.kind == "rds:subgrp":
            wait_for_databases(clients, inventory.list_environment(clients, resource.environment), poll_seconds)
        try:
            remove(clients, resource)
        except AwsError as error:
            failures[resource] = error
    return failures


def wait_for_databases(clients: AwsClients, resources: Iterable[AwsResource], poll_seconds: float) -> None:
    """Until the databases among these resources are deleted."""

    def all_deleted() -> bool:
        return not any(_database_exists(clients, item) for item in databases)

    databases = [item for item in resources if item.kind == "rds:db"]
    if databases and not waiting.wait_until(all_deleted, WAIT_SECONDS, poll_seconds, clients.clock):
        found = ", ".join(item.name for item in databases)
        raise AwsError(wording.databases_remain(found, WAIT_SECONDS / 60))


def _database_exists(clients: AwsClients, database: AwsResource) -> bool:
    try:
        clients.client("rds").describe_db_instances(DBInstanceIdentifier=database.name)
    except ClientError as error:
        if is_missing(error):
            return False
        raise AwsError(wording.cannot_describe_database(database.name, error)) from error
    return True


def _record(clients: AwsClients, resource: AwsResource) -> None:
    """The host's record, then the ownership record that leads to it."""
    zone, client = clients.settings.zone, clients.client("route53")
    wanted = {f"{resource.id}.", f"{dns_ownership.owner_name(resource.id)}."}
    found = clients.list_all("route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone)
    ours = [item for item in found if item["Name"] in wanted and item["Type"] in ("CNAME", "TXT")]
    for item in sorted(ours, key=lambda record: record["Type"]):
        change = {"Action": "DELETE", "ResourceRecordSet": item}
        client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})


def _service(clients: AwsClients, resource: AwsResource) -> None:
    cluster = resource.id.split("/")[1]
    clients.client("ecs").delete_service(cluster=cluster, service=resource.id, force=True)


def _task_definition(clients: AwsClients, resource: AwsResource) -> None:
    client = clients.client("ecs")
    client.deregister_task_definition(taskDefinition=resource.id)
    client.delete_task_definitions(taskDefinitions=[resource.id])


def _task(clients: AwsClients, resource: AwsResource) -> None:
    clients.client("ecs").stop_task(cluster=resource.id.split("/")[1], task=resource.id, reason="environment destroyed")


def _database(clients: AwsClients, resource: AwsResource) -> None:
    """Waits while AWS refuses because it is still creating or changing the database."""

    def is_accepted() -> bool:
        try:
            _delete_database(clients, resource.name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in WRONG_STATE:
                raise
            return False
        return True

    if not waiting.wait_until(is_accepted, WAIT_SECONDS, BUSY_POLL_SECONDS, clients.clock):
        raise DatabaseBusy(wording.database_busy(resource.name, WAIT_SECONDS / 60))


def _delete_database(clients: AwsClients, name: str) -> None:
    client = clients.client("rds")
    found = client.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    if found["DBInstanceStatus"] == "deleting":
        return
    if found.get("DeletionProtection"):
        client.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    client.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)


def _queue(clients: AwsClients, resource: AwsResource) -> None:
    client = clients.client("sqs")
    client.delete_queue(QueueUrl=client.get_queue_url(QueueName=resource.name)["QueueUrl"])


def _bucket(clients: AwsClients, resource: AwsResource) -> None:
    client = clients.client("s3")
    for page in client.get_paginator("list_object_versions").paginate(Bucket=resource.name):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if objects:
            client.delete_objects(Bucket=resource.name, Delete={"Objects": objects, "Quiet": True})
    client.delete_bucket(Bucket=resource.name)


def _role(clients: AwsClients, resource: AwsResource) -> None:
    client = clients.client("iam")
    for name in client.list_role_policies(RoleName=resource.id)["PolicyNames"]:
        client.delete_role_policy(RoleName=resource.id, PolicyName=name)
    for policy in client.list_attached_role_policies(RoleName=resource.id)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=resource.id, PolicyArn=policy["PolicyArn"])
    client.delete_role(RoleName=resource.id)


def _security_group(clients: AwsClients, resource: AwsResource) -> None:
    """First the rules, because groups refer to each other."""
    client = clients.client("ec2")
    found = client.describe_security_groups(GroupIds=[resource.id])["SecurityGroups"][0]
    if found["IpPermissions"]:
        client.revoke_security_group_ingress(GroupId=resource.id, IpPermissions=found["IpPermissions"])
    _revoke_references(clients, resource.id)
    client.delete_security_group(GroupId=resource.id)


def _revoke_references(clients: AwsClients, group_id: str) -> None:
    filters = [{"Name": "ip-permission.group-id", "Values": [group_id]}]
    for other in clients.list_all("ec2", "describe_security_groups", "SecurityGroups", Filters=filters):
        pairs = [
            {**rule, "UserIdGroupPairs": [pair for pair in rule["UserIdGroupPairs"] if pair["GroupId"] == group_id],
             "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
            for rule in other["IpPermissions"]
        ]  # fmt: skip
        pairs = [rule for rule in pairs if rule["UserIdGroupPairs"]]
        if pairs:
            clients.client("ec2").revoke_security_group_ingress(GroupId=other["GroupId"], IpPermissions=pairs)


def _internet_gateway(clients: AwsClients, resource: AwsResource) -> None:
    client = clients.client("ec2")
    found = client.describe_internet_gateways(InternetGatewayIds=[resource.id])["InternetGateways"][0]
    for attachment in found["Attachments"]:
        client.detach_internet_gateway(InternetGatewayId=resource.id, VpcId=attachment["VpcId"])
    client.delete_internet_gateway(InternetGatewayId=resource.id)


def _route_table(clients: AwsClients, resource: AwsResource) -> None:
    client = clients.client("ec2")
    found = client.describe_route_tables(RouteTableIds=[resource.id])["RouteTables"][0]
    for association in found["Associations"]:
        if not association.get("Main"):
            client.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    client.delete_route_table(RouteTableId=resource.id)


def _call(service: str, operation: str, argument: str, attribute: str = "id", **more: Any) -> Remove:
    def remove_one(clients: AwsClients, resource: AwsResource) -> None:
        getattr(clients.client(service), operation)(**{argument: getattr(resource, attribute)}, **more)

    return remove_one


_REMOVERS: dict[str, Remove] = {
    inventory.ROUTE: lambda clients, resource: gateway_routes.remove_host(clients.settings.routes, resource.id),
    "route53:record": _record,
    "ecs:service": _service,
    "ecs:task": _task,
    "rds:db": _database,
    "ecs:task-definition": _task_definition,
    "elasticloadbalancing:listener-rule": _call("elbv2", "delete_rule", "RuleArn"),
    "elasticloadbalancing:listener": _call("elbv2", "delete_listener", "ListenerArn"),
    "elasticloadbalancing:loadbalancer": _call("elbv2", "delete_load_balancer", "LoadBalancerArn"),
    "elasticloadbalancing:targetgroup": _call("elbv2", "delete_target_group", "TargetGroupArn"),
    "ecs:cluster": _call("ecs", "delete_cluster", "cluster"),
    "servicediscovery:namespace": lambda clients, resource: clients.client("servicediscovery").delete_namespace(
        Id=resource.id.rsplit("/", 1)[1]
    ),
    "secretsmanager:secret": _call("secretsmanager", "delete_secret", "SecretId", ForceDeleteWithoutRecovery=True),
    "sqs:queue": _queue,
    "s3:bucket": _bucket,
    "logs:log-group": _call("logs", "delete_log_group", "logGroupName", "name"),
    "iam:role": _role,
    "rds:subgrp": _call("rds", "delete_db_subnet_group", "DBSubnetGroupName", "name"),
    "ec2:security-group": _security_group,
    "ec2:subnet": _call("ec2", "delete_subnet", "SubnetId"),
    "ec2:route-table": _route_table,
    "ec2:internet-gateway": _internet_gateway,
    "ec2:vpc": _call("ec2", "delete_vpc", "VpcId"),
}
"""By kind, in the order of removal: what uses others comes before what is used."""

"""Inventory and cleanup by tag, with boto3 against moto: all of an environment is removed, and nothing else. C2, S3."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orchestrator.demo.ministack import demo_account
from programs.inventory import HeldResource
from programs.targets.aws import dns_ownership, names, tags
from programs.targets.aws.api import expiry, inventory, removal, unrecorded
from programs.targets.aws.api.clients import AwsClients
from programs.targets.aws.errors import AwsError
from programs.targets.aws.settings import AwsSettings
from programs.targets.aws.target import TARGET
from tests.targets.aws.aws_account import REGION, SERVER, AwsAccount, marks

NAME, OTHER = "shop-gentle-stream-42", "shop-calm-lake-7"
DATABASE, BUCKET = "eph-main-1", "eph-files-1"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]}


class World:
    """Creates an environment's resources as the program would, but without Pulumi: what a crash leaves behind."""

    def __init__(self, account: AwsAccount, environment: str, server: str = SERVER) -> None:
        self.client: Callable[[str], Any] = account.clients().client
        self.zone, self.environment, self.server = account.zone, environment, server
        self.tags = tags.to_list(marks(environment, server))
        self.suffix = f"{environment[-1:]}-{server}"

    def create(self) -> None:
        vpc, subnets, group = self.network()
        self.databases(subnets, group)
        self.load_balancer(vpc, subnets, group)
        self.containers()
        self.storage()
        self.records()

    def network(self) -> tuple[str, list[str], str]:
        ec2 = self.client("ec2")

        def tagged(kind: str) -> list[dict[str, Any]]:
            return [{"ResourceType": kind, "Tags": self.tags}]

        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway"))["InternetGateway"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tagged("route-table"))["RouteTable"]["RouteTableId"]
        subnets = []
        for number, zone in enumerate("ab"):
            subnet = ec2.create_subnet(
                VpcId=vpc,
                CidrBlock=f"10.0.{number}.0/24",
                AvailabilityZone=REGION + zone,
                TagSpecifications=tagged("subnet"),
            )["Subnet"]["SubnetId"]
            ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
            subnets.append(subnet)
        groups = [
            ec2.create_security_group(
                GroupName=f"{name}-{self.suffix}",
                Description="x",
                VpcId=vpc,
                TagSpecifications=tagged("security-group"),
            )["GroupId"]
            for name in ("tasks", "database")
        ]
        for one, other in (groups, reversed(groups)):
            pair = [{"GroupId": other}]
            rule = [{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": pair}]
            ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=rule)
        return vpc, subnets, groups[0]

    def databases(self, subnets: list[str], group: str) -> None:
        rds = self.client("rds")
        rds.create_db_subnet_group(
            DBSubnetGroupName=f"eph-{self.suffix}",
            DBSubnetGroupDescription="x",
            SubnetIds=subnets,
            Tags=self.tags,
        )
        rds.create_db_instance(
            DBInstanceIdentifier=f"{DATABASE}-{self.suffix}",
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="app",
            MasterUserPassword="long-enough-1",
            DBSubnetGroupName=f"eph-{self.suffix}",
            VpcSecurityGroupIds=[group],
            DeletionProtection=True,
            Tags=self.tags,
        )

    def load_balancer(self, vpc: str, subnets: list[str], group: str) -> None:
        client = self.client("elbv2")
        balancer = client.create_load_balancer(
            Name=f"eph-{self.suffix}", Subnets=subnets, SecurityGroups=[group], Tags=self.tags
        )["LoadBalancers"][0]["LoadBalancerArn"]
        target = client.create_target_group(
            Name=f"eph-web-{self.suffix}", Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip", Tags=self.tags
        )["TargetGroups"][0]["TargetGroupArn"]
        client.create_listener(
            LoadBalancerArn=balancer,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": target}],
            Tags=self.tags,
        )

    def containers(self) -> None:
        ecs, lower = self.client("ecs"), [{"key": item["Key"], "value": item["Value"]} for item in self.tags]
        cluster = ecs.create_cluster(clusterName=f"eph-{self.suffix}", tags=lower)["cluster"]["clusterArn"]
        container = {"name": "web", "image": "x", "memory": 128}
        definition = ecs.register_task_definition(
            family=f"web-{self.suffix}", containerDefinitions=[container], tags=lower
        )["taskDefinition"]["taskDefinitionArn"]
        ecs.create_service(
            cluster=cluster, serviceName=f"web-{self.suffix}", taskDefinition=definition, desiredCount=1, tags=lower
        )
        self.client("servicediscovery").create_http_namespace(Name=f"eph-{self.suffix}", Tags=self.tags)
        iam, role = self.client("iam"), f"eph-execution-{self.suffix}"
        iam.create_role(RoleName=role, Path=names.iam_path(self.server), AssumeRolePolicyDocument="{}", Tags=self.tags)
        iam.put_role_policy(RoleName=role, PolicyName="eph", PolicyDocument=json.dumps(POLICY))
        group = names.log_group(self.server, self.environment)
        self.client("logs").create_log_group(
            logGroupName=group, tags={item["Key"]: item["Value"] for item in self.tags}
        )

    def storage(self) -> None:
        self.client("sqs").create_queue(
            QueueName=f"eph-jobs-{self.suffix}", tags={item["Key"]: item["Value"] for item in self.tags}
        )
        self.client("secretsmanager").create_secret(Name=f"eph-{self.suffix}", SecretString="x", Tags=self.tags)
        s3, bucket = self.client("s3"), f"{BUCKET}-{self.suffix}"
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": self.tags})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for text in (b"one", b"two"):
            s3.put_object(Bucket=bucket, Key="file", Body=text)

    def records(self) -> None:
        host = f"{self.environment}-{self.server}.preview.test"
        owner = f'"{dns_ownership.owner_text(self.server, self.environment)}"'
        wanted = [(dns_ownership.owner_name(host), "TXT", owner), (host, "CNAME", "lb.test")]
        changes = [
            {
                "Action": "UPSERT",
                "ResourceRecordSet": {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]},
            }
            for name, kind, value in wanted
        ]
        self.client("route53").change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": changes})


KINDS = {
    "servicediscovery:namespace",
    "ec2:internet-gateway",
    "ec2:route-table",
    "ec2:security-group",
    "ec2:subnet",
    "ec2:vpc",
    "ecs:cluster",
    "ecs:service",
    "ecs:task-definition",
    "elasticloadbalancing:loadbalancer",
    "elasticloadbalancing:targetgroup",
    "iam:role",
    "logs:log-group",
    "rds:db",
    "rds:subgrp",
    "route53:record",
    "s3:bucket",
    "secretsmanager:secret",
    "sqs:queue",
}
"""moto doesn't list listeners by tag; they are deleted with their load balancer."""


@pytest.mark.real
@pytest.mark.long
def test_purge_removes_the_rules_at_a_shared_load_balancer(account: AwsAccount) -> None:
    """Before their target groups, which AWS would refuse to delete; those of others stay."""
    subnets, listener = demo_account.create_shared_parts(account.endpoint)
    clients = account.clients(subnets=",".join(subnets), listener=listener)
    for number, (environment, server) in enumerate(((NAME, SERVER), (OTHER, SERVER), (NAME, "other")), 1):
        shared_rule(clients, listener, number, tags.to_list(marks(environment, server)))
    found = inventory.list_environment(clients, NAME)
    assert [item.kind for item in found] == [
        f"elasticloadbalancing:{kind}" for kind in ("listener-rule", "targetgroup")
    ]
    removal.purge(clients, NAME, poll_seconds=0)
    assert inventory.list_environment(clients, NAME) == []
    left = clients.client("elbv2").describe_rules(ListenerArn=listener)["Rules"]
    assert [rule["Priority"] for rule in left] == ["2", "3", "default"]
    assert len(inventory.list_environment(clients, OTHER)) == 2


def shared_rule(clients: AwsClients, listener: str, priority: int, about: list[dict[str, str]]) -> None:
    client = clients.client("elbv2")
    (vpc,) = {balancer["VpcId"] for balancer in client.describe_load_balancers()["LoadBalancers"]}
    target = client.create_target_group(
        Name=f"eph-web-{priority}", Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip", Tags=about
    )["TargetGroups"][0]["TargetGroupArn"]
    client.create_rule(
        ListenerArn=listener,
        Priority=priority,
        Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": [f"{priority}.preview.test"]}}],
        Actions=[{"Type": "forward", "TargetGroupArn": target}],
        Tags=about,
    )


@pytest.mark.real
@pytest.mark.long
def test_purge_removes_everything_of_one_environment_and_nothing_else(account: AwsAccount) -> None:
    """Another environment, and another server's environment of the same name, stay complete."""
    for environment, server in ((NAME, SERVER), (OTHER, SERVER), (NAME, "other")):
        World(account, environment, server).create()
    clients, others = account.clients(), account.clients(server="other")
    before = {item.kind for item in inventory.list_environment(clients, NAME)}
    assert before == KINDS
    neighbour = inventory.list_environment(clients, OTHER)
    foreign = inventory.list_all(others)
    for _ in range(2):  # idempotent
        removal.purge(clients, NAME, poll_seconds=0)
        assert [item.id for item in inventory.list_environment(clients, NAME)] == []
    assert inventory.list_environment(clients, OTHER) == neighbour
    assert TARGET.list_environments(account.settings()) == {OTHER}
    assert inventory.list_all(others) == foreign


@pytest.mark.real
@pytest.mark.long
def test_single_orphans_are_listed_with_a_command_and_removed_alone(account: AwsAccount) -> None:
    World(account, NAME).create()
    settings = account.settings()
    listed = TARGET.list_resources(settings)
    bucket = next(item for item in listed if item.kind == "s3:bucket")
    assert bucket.environment == NAME
    assert bucket.removal_command == f"aws s3 rb --force s3://{bucket.name} --region {REGION}"
    assert TARGET.delete_resource(bucket, settings)
    assert TARGET.delete_resource(bucket, settings), "idempotent"
    assert set(TARGET.list_resources(settings)) == {*listed} - {bucket}
    assert TARGET.delete_resource(HeldResource("s3:bucket", "someone-elses", NAME), settings)


@pytest.mark.real
@pytest.mark.long
@pytest.mark.timeout(300)
def test_what_the_state_does_not_contain_is_removed_before_an_update(account: AwsAccount) -> None:
    """L2, L8: and nothing else, neither of this environment nor of another one. The rules of a security group that
    stays are compared one by one."""
    for environment in (NAME, OTHER):
        World(account, environment).create()
    clients = account.clients()
    listed, neighbour = inventory.list_environment(clients, NAME), inventory.list_environment(clients, OTHER)
    lost = {"rds:db", "s3:bucket", "sqs:queue", "route53:record", "iam:role"}
    rules = security_group_rules(account)
    groups = {item.id for item in listed if item.kind == "ec2:security-group"}
    victim = next(rule for rule, group in rules.items() if group in groups)
    ids = {item.id for item in listed if item.kind not in lost} | {f"r-{item.id}" for item in listed}
    families = {item.id.rpartition("/")[2].partition(":")[0] for item in listed if item.kind == "ecs:task-definition"}
    namespaces = {item.id.rpartition("/")[2] for item in listed if item.kind == "servicediscovery:namespace"}
    tables = clients.client("ec2").describe_route_tables()["RouteTables"]
    parts = {item["RouteTableAssociationId"] for table in tables for item in table["Associations"]}
    recorded = frozenset({*ids, *families, *namespaces, *parts, *rules} - {victim})
    assert unrecorded.remove(clients, NAME, recorded, poll_seconds=0)
    assert {item.kind for item in listed} - {item.kind for item in inventory.list_environment(clients, NAME)} == lost
    assert rules.keys() - security_group_rules(account).keys() == {victim}
    assert inventory.list_environment(clients, OTHER) == neighbour
    assert not unrecorded.remove(clients, NAME, recorded, poll_seconds=0), "idempotent"


def security_group_rules(account: AwsAccount) -> dict[str, str]:
    """Each rule's group."""
    found = account.clients().client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return {item["SecurityGroupRuleId"]: item["GroupId"] for item in found}


@pytest.mark.real
@pytest.mark.long
def test_an_inventory_that_cannot_be_completed_is_an_error(account: AwsAccount) -> None:
    with pytest.raises(AwsError, match="AWS refused route53"):
        TARGET.list_resources(account.settings(zone="ZMISSING"))
    with pytest.raises(AwsError, match=r"account 123456789012, but setting 'accounts' allows only 999999999999"):
        TARGET.purge(NAME, account.settings(accounts="999999999999"))


@pytest.mark.real
@pytest.mark.long
def test_expiry_is_a_tag_on_every_resource_that_can_have_one(account: AwsAccount) -> None:
    World(account, NAME).create()
    moment = datetime(2026, 11, 28, 12, tzinfo=UTC)
    expiry.write(account.clients(), NAME, moment)
    vpcs = account.clients().client("ec2").describe_vpcs(Filters=[{"Name": f"tag:{tags.SERVER}", "Values": [SERVER]}])
    assert tags.from_list(vpcs["Vpcs"][0]["Tags"])[tags.EXPIRES_AT] == "2026-11-28T12:00:00+00:00"
    expiry.write(account.clients(), "nothing-here-1", None)


@pytest.mark.real
@pytest.mark.long
def test_sleep_stops_tasks_and_databases_and_wake_restores_the_count(account: AwsAccount) -> None:
    """L5, C1. moto runs no tasks, so wake doesn't wait here."""
    World(account, NAME).create()
    settings = account.settings()
    for _ in range(2):  # idempotent
        TARGET.sleep(NAME, settings)
    assert (service_count(account), database_status(account)) == (0, "stopped")
    for _ in range(2):
        TARGET.wake(NAME, settings, wait=False)
    assert (service_count(account), database_status(account)) == (1, "available")


def service_count(account: AwsAccount) -> int:
    ecs = account.clients().client("ecs")
    (arn,) = (item.id for item in inventory.list_environment(account.clients(), NAME) if item.kind == "ecs:service")
    return int(ecs.describe_services(cluster=arn.split("/")[1], services=[arn])["services"][0]["desiredCount"])


def database_status(account: AwsAccount) -> str:
    (found,) = account.clients().client("rds").describe_db_instances()["DBInstances"]
    return str(found["DBInstanceStatus"])


def test_removal_command_quotes_names() -> None:
    odd = inventory.AwsResource("s3:bucket", "arn:aws:s3:::a;b", NAME)
    held = inventory.to_held(odd, AwsSettings(REGION, SERVER, zone="Z0"))
    assert held.removal_command == f"aws s3 rb --force 's3://a;b' --region {REGION}"


def test_only_errors_about_missing_resources_are_ignored() -> None:
    from programs.targets.aws.api.clients import missing_ignored

    def fail(code: str) -> None:
        with missing_ignored("a call"):
            raise ClientError({"Error": {"Code": code, "Message": "x"}}, "Call")

    for code in ("DBInstanceNotFound", "NoSuchBucket", "InvalidGroup.NotFound", "ResourceNotFoundException"):
        fail(code)
    with pytest.raises(AwsError, match="AWS refused a call: Throttling: x"):
        fail("Throttling")
